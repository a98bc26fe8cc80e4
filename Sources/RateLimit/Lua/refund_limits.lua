-- Takes back one charge of each limit. Version 1; values as in charge_limits.lua.
--
-- KEYS  per limit: the key that was charged.
-- ARGV  1 the time in microseconds; empty: Redis's.
--       per limit: interval micros, interval fraction, count (fractions in a microsecond).
-- Returns how many keys were there to be given back to; an expired one is full already.
-- Cost: a GET and a SET a limit.

local now = tonumber(ARGV[1])
-- Redis expires keys by its own clock, whatever time was passed in.
local spare_millis = now and 86400000 or 1
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local refunded = 0
for limit, key in ipairs(KEYS) do
    local first = 3 * limit - 1
    local value = redis.call('GET', key)
    if value then
        refunded = refunded + 1
        local colon = string.find(value, ':', 1, true)
        local micros = tonumber(colon and string.sub(value, 1, colon - 1) or value) - tonumber(ARGV[first])
        local fraction = (colon and tonumber(string.sub(value, colon + 1)) or 0) - tonumber(ARGV[first + 1])
        if fraction < 0 then micros, fraction = micros - 1, fraction + tonumber(ARGV[first + 2]) end
        if micros < now then
            redis.call('DEL', key)
        else
            value = fraction == 0 and micros or string.format('%.0f:%.0f', micros, fraction)
            redis.call('SET', key, value, 'PX', math.floor((micros - now) / 1000) + spare_millis)
        end
    end
end
return refunded
