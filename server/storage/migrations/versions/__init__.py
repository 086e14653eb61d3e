"""One module a step; `revision` and `down_revision` make the chain. What has been released is never edited."""
