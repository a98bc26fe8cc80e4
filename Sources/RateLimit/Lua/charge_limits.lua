-- Charges every limit of a request, or none. Version 1 (the "l1" in the keys' names).
--
-- GCRA: the virtual scheduling algorithm of ITU-T I.371 (annex A), ATM Forum TM 4.1, 4.4.
-- A key holds the theoretical arrival time (TAT) of the next call: "micros", or "micros:fraction" where the interval is
-- no whole number of microseconds; a fraction is 1/count of one. All numbers are whole and below 2^53: nothing drifts.
--
-- KEYS  per limit: 1 the identity's key, which ends in its 32 digits; 2 the limit's index of live keys (see below).
-- ARGV  1 the time in microseconds; empty: Redis's.
--       per limit: interval micros, interval fraction, count (fractions in a microsecond), tolerance micros,
--       tolerance fraction, full burst in microseconds (rounded up), max_keys.
-- Returns {1 allowed or 0, time, per limit: TAT micros, TAT fraction, 1 if a shared key was used}, TATs after charging.
--
-- Cost: a GET and a SET a limit. For a new identity also the index: a sorted set of the identities that have a key, by
-- the TAT that was current when the entry was last looked at. TATs only grow, so an entry ahead of the time is alive; one
-- behind it is looked at again, a few each time that an identity is new. A charge of a known identity does not touch
-- it. Chosen over a HyperLogLog, which cannot forget keys as they expire, and a counter, which never learns that they did.
-- The sweep and the shared keys are found in the script, not in KEYS: on a cluster each limit's keys have one hash tag.

local SWEPT, SWEPT_WHEN_FULL = 8, 64
local DIGITS, SHARED_DIGITS = 32, 4
local INDEX_LIFE_MILLIS = 86400000

local now = tonumber(ARGV[1])
-- Redis expires keys by its own clock, whatever time was passed in.
local spare_millis = now and 86400000 or 1
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function parse(value)
    local colon = string.find(value, ':', 1, true)
    if not colon then return tonumber(value), 0 end
    return tonumber(string.sub(value, 1, colon - 1)), tonumber(string.sub(value, colon + 1))
end

local function store(key, micros, fraction)
    -- Redis writes a number out in full, up to 17 digits; Lua itself would round it to 14.
    local value = fraction == 0 and micros or string.format('%.0f:%.0f', micros, fraction)
    redis.call('SET', key, value, 'PX', math.floor((micros - now) / 1000) + spare_millis)
end

local function sweep(index, prefix, limit)
    local due = redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, limit)
    for _, digits in ipairs(due) do
        local value = redis.call('GET', prefix .. digits)
        local micros = value and parse(value)
        if micros and micros >= now then
            redis.call('ZADD', index, micros, digits)
        else
            redis.call('ZREM', index, digits)
        end
    end
end

-- Whether an identity without a key must share one.
local function is_full(index, prefix, maximum)
    sweep(index, prefix, SWEPT)
    if redis.call('ZCARD', index) < maximum then return false end
    sweep(index, prefix, SWEPT_WHEN_FULL)
    return redis.call('ZCARD', index) >= maximum
end

local allowed = 1
local found = {}
for limit = 1, #KEYS / 2 do
    local key, index = KEYS[2 * limit - 1], KEYS[2 * limit]
    local first = 7 * limit - 5
    local count = tonumber(ARGV[first + 2])
    local tolerance, tolerance_fraction = tonumber(ARGV[first + 3]), tonumber(ARGV[first + 4])
    local value = redis.call('GET', key)
    local digits, is_new, is_shared = nil, false, 0
    -- A key outlives its TAT by up to a millisecond; its identity may have left the index by then.
    if value and parse(value) < now then value = nil end
    if not value then
        local prefix = string.sub(key, 1, -DIGITS - 1)
        digits = string.sub(key, -DIGITS)
        if is_full(index, prefix, tonumber(ARGV[first + 6])) then
            is_shared = 1
            key = prefix .. 's' .. string.sub(digits, 1, SHARED_DIGITS)
            value = redis.call('GET', key)
        else
            is_new = true
        end
    end
    local micros, fraction, is_moved = now, 0, false
    if value then
        micros, fraction = parse(value)
        if fraction >= count then micros, fraction = micros + 1, 0 end
        if micros < now then micros, fraction = now, 0 end
        -- Further ahead than charging can lead: the clock was set back. The burst counts as just used up.
        local furthest = now + tonumber(ARGV[first + 5])
        if micros > furthest then micros, fraction, is_moved = furthest, 0, true end
    end
    local latest = now + tolerance
    if micros > latest or (micros == latest and fraction > tolerance_fraction) then allowed = 0 end
    found[limit] = {key, micros, fraction, is_shared, is_moved, is_new and digits}
end

local reply = {allowed, now}
for limit, entry in ipairs(found) do
    local key, micros, fraction, is_shared, is_moved, digits = unpack(entry, 1, 6)
    if allowed == 1 then
        local first = 7 * limit - 5
        local count = tonumber(ARGV[first + 2])
        micros, fraction = micros + tonumber(ARGV[first]), fraction + tonumber(ARGV[first + 1])
        if fraction >= count then micros, fraction = micros + 1, fraction - count end
        store(key, micros, fraction)
        if digits then
            local index = KEYS[2 * limit]
            redis.call('ZADD', index, 'NX', micros, digits)
            redis.call('PEXPIRE', index, INDEX_LIFE_MILLIS + math.floor(tonumber(ARGV[first + 5]) / 1000))
        end
    elseif is_moved then
        store(key, micros, fraction)
    end
    reply[3 * limit] = micros
    reply[3 * limit + 1] = fraction
    reply[3 * limit + 2] = is_shared
end
return reply
