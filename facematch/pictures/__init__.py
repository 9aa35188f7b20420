"""Pictures of results: functions of arrays and words, never of files."""
