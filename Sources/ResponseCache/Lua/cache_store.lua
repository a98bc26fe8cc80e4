-- Stores a leader's answer, gives its lock back and wakes who waited.
-- Version 1. Cost: at most 8 commands on 4 keys, plus the answer's bytes.
--
-- KEYS as in cache_lookup.lua
-- ARGV[1] the leader's token, "" where it led without a lock   ARGV[2] generations under which it asked
-- ARGV[3] field of the route in KEYS[4]   ARGV[4] field of the client
-- ARGV[5] head   ARGV[6] body   ARGV[7] "ttl swr sie" (ms)   ARGV[8] expiry of the entry (ms)
-- ARGV[9] expiry of what is left to those who waited (ms)
-- ARGV[10] channel   ARGV[11] message   ARGV[12] now (ms), "" in production: Redis's clock
--
-- Returns 1 stored, 0 outdated by a purge since it was asked for: then only those who waited get it.
local now = tonumber(ARGV[12])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local numbers = redis.call('HMGET', KEYS[4], 'all', ARGV[3], ARGV[4])
local generations = (numbers[1] or '0') .. ',' .. (numbers[2] or '0') .. ',' .. (numbers[3] or '0')
local current = generations == ARGV[2]
local leader = redis.call('HGET', KEYS[2], 'o')
-- Another's waiters are served too: those of who took over from a leader that only seemed dead, or that a purge outdated.
local waiting = leader and redis.call('HLEN', KEYS[2]) > 2
if leader == ARGV[1] then
    redis.call('DEL', KEYS[2])
end
if current then
    redis.call('HSET', KEYS[1], 'h', ARGV[5], 'b', ARGV[6], 't', now, 'f', ARGV[7], 'g', generations)
    redis.call('PEXPIRE', KEYS[1], ARGV[8])
elseif waiting then
    redis.call('HSET', KEYS[3], 'o', ARGV[1], 'k', 'answer', 'h', ARGV[5], 'b', ARGV[6])
    redis.call('PEXPIRE', KEYS[3], ARGV[9])
end
if waiting then
    redis.call('PUBLISH', ARGV[10], ARGV[11])
end
return current and 1 or 0
