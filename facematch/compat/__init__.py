"""The interfaces of other libraries, answered by facematch without those libraries."""
