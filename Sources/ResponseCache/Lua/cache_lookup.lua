-- Looks an answer up; where there is none, lets one caller of all replicas fetch it and registers the others as waiting.
-- Version 1. Cost: at most 6 commands on 4 keys, plus the answer's bytes on a hit.
--
-- KEYS[1] entry, hash: h head, b body, t stored at (ms), f "ttl swr sie" (ms), g generations under which it was asked for
-- KEYS[2] fill lock, hash: o token of the leader, g generations under which it asks, w:<replica> until when (ms) that replica waits
-- KEYS[3] what a leader left to those who waited for it, hash: o its token, k kind, h, b, s status
-- KEYS[4] generations, hash: all, r:<route>, c:<client>, last
-- ARGV[1] "get"; "peek": neither fetch nor wait; "refresh": fetch what is stale unless somebody does; "skip": fetch without a lock
-- ARGV[2] field of the route in KEYS[4]      ARGV[3] field of the client
-- ARGV[4] token to lead under                ARGV[5] expiry of the lock (ms)
-- ARGV[6] this replica                       ARGV[7] for how long it waits unless it asks again (ms)
-- ARGV[8] largest age accepted (ms), -1: any, and stale within stale-while-revalidate
-- ARGV[9] token of the leader waited for, or ""
-- ARGV[10] now (ms), "" in production: Redis's clock
--
-- Returns {"hit", age, h, b} · {"lead", generations [, age, h, b: usable if fetching fails]} · {"wait", leader's token} · {"none"} (peek)
-- {"busy"} (refresh) · {"told", h, b}: the leader's answer · {"stale", status, age, h, b}: the leader failed with it · {"alone"}: its answer
-- was not to be shared. Ages in ms.
local now = tonumber(ARGV[10])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local mode = ARGV[1]
local numbers = redis.call('HMGET', KEYS[4], 'all', ARGV[2], ARGV[3])
local generations = (numbers[1] or '0') .. ',' .. (numbers[2] or '0') .. ',' .. (numbers[3] or '0')
if mode == 'skip' then
    return {'lead', generations}
end

local age, ttl, swr, sie
local entry = redis.call('HMGET', KEYS[1], 't', 'f', 'g')
if entry[1] and entry[2] and entry[3] == generations then
    age = math.max(0, now - tonumber(entry[1]))
    ttl, swr, sie = string.match(entry[2], '^(%d+) (%d+) (%d+)$')
    ttl, swr, sie = tonumber(ttl), tonumber(swr), tonumber(sie)
end
local function copy(...)
    local parts = redis.call('HMGET', KEYS[1], 'h', 'b')
    local reply = {...}
    reply[#reply + 1] = age
    reply[#reply + 1] = parts[1]
    reply[#reply + 1] = parts[2]
    return reply
end

local oldest = tonumber(ARGV[8])
if ttl then
    if age < ttl and (oldest < 0 or age <= oldest) then
        return copy('hit')
    end
    if age < ttl + swr and oldest < 0 and mode ~= 'refresh' then
        return copy('hit')
    end
end
if mode == 'peek' then
    return {'none'}
end

local onError = ttl and sie > 0 and age < ttl + sie
if ARGV[9] ~= '' then
    local told = redis.call('HMGET', KEYS[3], 'o', 'k', 's')
    if told[1] == ARGV[9] then
        if told[2] == 'answer' then
            local parts = redis.call('HMGET', KEYS[3], 'h', 'b')
            return {'told', parts[1], parts[2]}
        elseif told[2] == 'alone' then
            return {'alone'}
        elseif told[2] == 'stale' and onError then
            return copy('stale', tonumber(told[3]))
        end
    end
end

-- What was asked for before a purge is no answer to who asks after it: such a leader is not waited for, unless one did already.
local lock = redis.call('HMGET', KEYS[2], 'o', 'g')
local leader = lock[1]
if leader and leader ~= ARGV[4] and (lock[2] == generations or leader == ARGV[9]) then
    if mode == 'refresh' then
        return {'busy'}
    end
    redis.call('HSET', KEYS[2], 'w:' .. ARGV[6], now + tonumber(ARGV[7]))
    return {'wait', leader}
end
redis.call('HSET', KEYS[2], 'o', ARGV[4], 'g', generations)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if onError then
    return copy('lead', generations)
end
return {'lead', generations}
