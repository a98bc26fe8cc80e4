-- A replica no longer waits; the leader is told when it was the last.
-- Version 1. Cost: at most 3 commands on 1 key.
--
-- KEYS[1] fill lock: KEYS[2] of cache_lookup.lua
-- ARGV[1] the replica   ARGV[2] channel   ARGV[3] message
--
-- Returns 1 where it was waiting.
local left = redis.call('HDEL', KEYS[1], 'w:' .. ARGV[1])
if left == 1 and redis.call('HLEN', KEYS[1]) == 2 then
    redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return left
