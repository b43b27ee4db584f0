#!lua flags=allow-oom
-- stageOutcome: for a report, so that a run with a large fan-out goes on when memory is full.

-- include staging.lua
