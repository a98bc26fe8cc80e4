-- Outdates entries by giving generations a value that they never had, and tells every replica.
-- Version 1. Cost: 2 commands a field, on 1 key.
--
-- KEYS[1] generations: KEYS[4] of cache_lookup.lua; on a cluster each part of the cache has its own
-- ARGV[1] channel   ARGV[2] what ends the value: on a cluster "-" and the number of the part   ARGV[3…] fields: all, r:<route>, c:<client>
--
-- Returns the value. It is a time, not a count: one that was evicted and begins again must not meet its old entries.
local time = redis.call('TIME')
local value = time[1] .. string.format('%06d', time[2]) .. ARGV[2]
for index = 3, #ARGV do
    redis.call('HSET', KEYS[1], ARGV[index], value)
    redis.call('PUBLISH', ARGV[1], 'p' .. value .. ' ' .. ARGV[index])
end
redis.call('HSET', KEYS[1], 'last', value)
-- Longer than any entry is kept.
redis.call('EXPIRE', KEYS[1], 34560000)
return value
