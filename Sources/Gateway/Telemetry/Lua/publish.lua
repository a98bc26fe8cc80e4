-- Adds one replica's deltas to the cluster's totals and tells who lives. Version 1.
-- KEYS  1 totals (hash)  2 replicas (zset by last publication, ms)  3 gauges (hash)  4 users of this time slot (HyperLogLog)
--       5 denials (zset by count, the 10,000 most denied)
-- ARGV  1 replica id  2 gauges, opaque  3 number of totals n  4 number of denials m
--       then n pairs field, increment; m pairs member, increment; the rest are users
-- Returns {live replicas, epoch of the totals: another one means that the earlier ones were lost}
-- Cost  O(deltas + users); called once a second a replica.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1] .. now)
local n = tonumber(ARGV[3])
redis.call('HINCRBY', KEYS[1], 'publications', 1)
local m = tonumber(ARGV[4])
for i = 5, 4 + 2 * n, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
for i = 5 + 2 * n, 4 + 2 * (n + m), 2 do
  redis.call('ZINCRBY', KEYS[5], ARGV[i + 1], ARGV[i])
end
if m > 0 then
  redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -10001)
  -- They name addresses and users: gone a day after the last of them.
  redis.call('EXPIRE', KEYS[5], 86400)
end
redis.call('EXPIRE', KEYS[1], 2592000)
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - 3500)
for _, id in ipairs(dead) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
end
redis.call('EXPIRE', KEYS[2], 60)
redis.call('EXPIRE', KEYS[3], 60)
for i = 5 + 2 * (n + m), #ARGV do
  redis.call('PFADD', KEYS[4], ARGV[i])
end
redis.call('EXPIRE', KEYS[4], 120)
return {redis.call('ZCARD', KEYS[2]), redis.call('HGET', KEYS[1], 'epoch')}
