"use strict";

const byId = (id) => document.getElementById(id);
const waiting = []; // photos before clips, which take longer
let asked = 0;
let done = 0;
let busy = 0;
let photosLeft = 0;
let groupRoles = new Map(); // the first face of a group -> a role
let faceRoles = new Map(); // a face -> a role, "" where it is left out

history.replaceState(null, "", "/"); // a token in the address was used up

async function send(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  let words = "the program does not answer as it should";
  try {
    words = (await answer.clone().json()).error.message;
  } catch {
    words = (await answer.text()) || words;
  }
  throw new Error(words);
}

function say(id, words) {
  byId(id).textContent = words;
}

function addProblem(name, words) {
  const line = document.createElement("li");
  const label = document.createElement("bdi");
  label.textContent = name;
  line.append(label, name ? `: ${words}` : words);
  byId("problems").append(line);
}

// --- photos and clips ---

const isClip = (file) => file.type.startsWith("video/");

function takeFiles(files) {
  const { mostBytes, mostClipBytes } = document.body.dataset;
  byId("problems").replaceChildren();
  for (const file of files) {
    const most = Number(isClip(file) ? mostClipBytes : mostBytes);
    if (file.size > most) {
      addProblem(file.name, `the file is too large: at most ${Math.round(most / 2 ** 20)} MB`);
    } else {
      waiting.push(file);
      asked += 1;
      if (!isClip(file)) photosLeft += 1;
      waiting.sort((one, other) => isClip(one) - isClip(other));
    }
  }
  for (let each = busy; each < 2; each += 1) sendNext();
}

async function sendNext() {
  const file = waiting.shift();
  if (!file) return;
  busy += 1;
  showProgress();
  try {
    const form = new FormData();
    form.append("photo", file, file.name);
    const found = await (await send("/photos", { method: "POST", body: form })).json();
    if (found.problem) addProblem(found.name, found.problem);
  } catch (error) {
    addProblem(file.name, error.message);
  }
  busy -= 1;
  done += 1;
  if (!isClip(file)) photosLeft -= 1;
  showProgress();
  if (!isClip(file) && photosLeft === 0 && done < asked) showPeople(); // while clips are searched
  if (waiting.length) sendNext();
  else if (!busy) showPeople();
}

function showProgress() {
  say("progress", done < asked ? `Looking for faces: ${done} of ${asked} files` : `${done} files are done`);
}

byId("files").addEventListener("change", (event) => {
  takeFiles([...event.target.files]);
  event.target.value = "";
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    byId("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  takeFiles([...event.dataTransfer.files]);
});

// --- people ---

const facesOf = (group) => group.dataset.faces.split(" ");

async function showPeople() {
  try {
    const page = await (await send("/people")).text();
    byId("people").innerHTML = page; // every name in it is escaped
    byId("people-section").hidden = false;
    keepCorrections();
    showRoles();
  } catch (error) {
    addProblem("", error.message);
  }
}

function keepCorrections() {
  const there = new Set();
  for (const choice of document.querySelectorAll("select[data-face]")) {
    there.add(choice.dataset.face);
    if (faceRoles.has(choice.dataset.face)) choice.value = faceRoles.get(choice.dataset.face);
  }
  faceRoles = new Map([...faceRoles].filter(([face]) => there.has(face)));
}

function roleOf(group, face) {
  return faceRoles.has(face) ? faceRoles.get(face) : groupRoles.get(facesOf(group)[0]) || "";
}

function facesByRole() {
  const faces = new Map();
  for (const group of document.querySelectorAll(".person")) {
    for (const face of facesOf(group)) {
      const role = roleOf(group, face);
      if (role) faces.set(role, [...(faces.get(role) || []), face]);
    }
  }
  const order = [...document.querySelectorAll(".name")].map((row) => row.dataset.role);
  return new Map([...faces].sort(([one], [other]) => order.indexOf(one) - order.indexOf(other)));
}

function showRoles() {
  for (const group of document.querySelectorAll(".person")) {
    const role = groupRoles.get(facesOf(group)[0]);
    for (const button of group.querySelectorAll("button[data-role]")) {
      button.setAttribute("aria-pressed", String(button.dataset.role === role));
    }
  }
  const used = facesByRole();
  for (const row of document.querySelectorAll(".name")) row.hidden = !used.has(row.dataset.role);
  byId("names").hidden = used.size === 0;
}

byId("people").addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.turn) {
    button.disabled = true;
    try {
      const prefix = `${button.dataset.turn}-`;
      await send(`/photos/${button.dataset.turn}/turn`, { method: "POST" });
      faceRoles = new Map([...faceRoles].filter(([face]) => !face.startsWith(prefix)));
      await showPeople();
    } catch (error) {
      addProblem("", error.message);
    }
  } else if ("apart" in button.dataset) {
    try {
      await send("/people/apart", { method: "POST", body: button.closest(".person").dataset.faces });
      await showPeople();
      byId("people-heading").focus();
    } catch (error) {
      addProblem("", error.message);
    }
  } else if (button.dataset.role) {
    const first = facesOf(button.closest(".person"))[0];
    const pressed = button.getAttribute("aria-pressed") === "true";
    groupRoles.set(first, pressed ? "" : button.dataset.role);
    showRoles();
  }
});

byId("people").addEventListener("change", (event) => {
  const { face } = event.target.dataset;
  if (event.target.value === "group") faceRoles.delete(face);
  else faceRoles.set(face, event.target.value);
  showRoles();
});

// --- the answer ---

function peopleToCompare() {
  return [...facesByRole()].map(([role, faces]) => ({
    role: role.startsWith("child") ? "child" : "parent",
    name: byId(`name-${role}`).value.trim() || byId(`name-${role}`).placeholder,
    born: byId(`born-${role}`).value,
    faces,
  }));
}

byId("compare").addEventListener("click", async () => {
  byId("compare").disabled = true;
  say("compare-note", "Comparing …");
  try {
    const body = JSON.stringify({ people: peopleToCompare() });
    byId("result").innerHTML = await (await send("/results", { method: "POST", body })).text();
    byId("result-section").hidden = false;
    byId("result-heading").focus();
    say("compare-note", "");
    showWhy();
  } catch (error) {
    say("compare-note", error.message);
  }
  byId("compare").disabled = false;
});

async function showWhy() {
  const place = byId("why");
  try {
    place.innerHTML = await (await send(place.dataset.why)).text();
  } catch (error) {
    place.textContent = error.message;
  }
}

byId("result").addEventListener("change", () => {
  const query = `theme=${byId("theme").value}&style=${byId("style").value}`;
  for (const image of document.querySelectorAll("[data-card]")) image.src = `${image.dataset.card}?${query}`;
  for (const link of document.querySelectorAll("[data-save]")) link.href = `${link.dataset.save}?save&${query}`;
});

byId("forget").addEventListener("click", async () => {
  try {
    await send("/forget", { method: "POST" });
    location.reload();
  } catch (error) {
    addProblem("", error.message);
  }
});
