-- Keeps a fill lock for its leader and tells how many replicas wait for it.
-- Version 1. Cost: 3 commands on 1 key, linear in the replicas that wait.
--
-- KEYS[1] fill lock: KEYS[2] of cache_lookup.lua
-- ARGV[1] the leader's token   ARGV[2] expiry of the lock (ms)
-- ARGV[3] "keep", or "release": give it back if nobody waits, in the same step, so that nobody can begin to wait in between
-- ARGV[4] generations under which it asks   ARGV[5] now (ms), "" in production: Redis's clock
--
-- Returns how many wait (after "release", 0: given back), or -1: another leads.
local now = tonumber(ARGV[5])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local fields = redis.call('HGETALL', KEYS[1])
local leader
local waiting = 0
for index = 1, #fields, 2 do
    if fields[index] == 'o' then
        leader = fields[index + 1]
    elseif string.sub(fields[index], 1, 2) == 'w:' then
        if tonumber(fields[index + 1]) > now then
            waiting = waiting + 1
        else
            redis.call('HDEL', KEYS[1], fields[index])
        end
    end
end
if leader and leader ~= ARGV[1] then
    return -1
end
if waiting == 0 and ARGV[3] == 'release' then
    redis.call('DEL', KEYS[1])
    return 0
end
if not leader then
    redis.call('HSET', KEYS[1], 'o', ARGV[1], 'g', ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return waiting
