-- Gives a lock back without an entry: the leader failed, or its answer is only for those who waited.
-- Version 1. Cost: at most 6 commands on 2 keys.
--
-- KEYS[1] fill lock, KEYS[2] what is left to those who waited: KEYS[2] and KEYS[3] of cache_lookup.lua
-- ARGV[1] the leader's token
-- ARGV[2] "": one of them leads next; "answer": ARGV[3] head, ARGV[4] body; "stale": status ARGV[5] failed, use the stale entry;
--         "alone": each is to fetch for itself
-- ARGV[6] expiry of what is left (ms)   ARGV[7] channel   ARGV[8] message
--
-- Returns 1, or 0 where the lock is no longer this leader's.
if redis.call('HGET', KEYS[1], 'o') ~= ARGV[1] then
    return 0
end
local waiting = redis.call('HLEN', KEYS[1]) > 2
redis.call('DEL', KEYS[1])
if waiting then
    if ARGV[2] ~= '' then
        redis.call('HSET', KEYS[2], 'o', ARGV[1], 'k', ARGV[2], 'h', ARGV[3], 'b', ARGV[4], 's', ARGV[5])
        redis.call('PEXPIRE', KEYS[2], ARGV[6])
    end
    redis.call('PUBLISH', ARGV[7], ARGV[8])
end
return 1
