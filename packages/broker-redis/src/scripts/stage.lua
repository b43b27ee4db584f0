#!lua
-- stage: for a submission; refused when memory is full.

-- include staging.lua
