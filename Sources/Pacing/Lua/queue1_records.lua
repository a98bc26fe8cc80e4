-- One upstream's paced queue and all its quota buckets, for all replicas: QueueState.swift's twin. Version 3 ("q3" in the
-- keys). The nine parts queue1_…queue9_ are one script, concatenated in order; what only one of them needs is in blocks, as a
-- script may have two hundred local names.
--
-- KEYS, one hash tag: 1 G globals (hash: g, roll, live, sets, pauses) · 2 B bucket -> record · 3 S bucket\0sub-window -> units
--   4 L lane -> record · 5 F lane \2 client, or its number5 user -> flow · 6 O zset by lex, lane \1, or a client's
--   number5, + b(usy)|i(dle) + tag + child
--   7 X bucket\0urgency client -> tag · 8 x zset by lex, bucket\0urgency tag client · 9 T zset by lex: the tickets
--   10 R replica -> record. All expire.
-- ARGV: 1 time in µs, empty: TIME · 2 replica · 3 call number, 0 a probe · 4 run id · 5 highest grant number seen
--   6 replicas known · 7 most waiters · 8 prefix of the channels · 9 PUBLISH, on a cluster SPUBLISH
--   10 number of lanes, each: key, n, n × (name, limit, per µs, guard µs, burst, reset µs), 
--   m = n or 0, m × shared name, where m > 0 the shared lane's key
--   · then operations, see queue8_operations.lua.
-- Returns {now, number, seq, epoch, mine, waiting, due | -1, end of roll call | -1,
--   results × (kind, wait µs, ahead, {entered before, by bucket}), grants × (ticket, {gone before, by bucket[, units booked]}),
--   buckets × 13 and booked pairs, {living, rank, full, known…} | {}, pauses × (quota, 0|1, µs)}; times in µs.
-- Cost: about 30 commands a decision and as many an entry, whatever the waiters, clients and the quota.
-- Numbers are doubles: integers are exact to 2^53; tags are stored as their bits, big-endian, which sort as they do.
local G_, B_, S_, L_, F_, O_, X_, XO_, T_, R_ = unpack(KEYS)
local call, floor, max, min, huge = redis.call, math.floor, math.max, math.min, math.huge
local pack, unpackBits, format, NUL = struct.pack, struct.unpack, string.format, '\0'

local ALLOWANCE, LONGEST_ALLOWANCE, DEAD, DEATH_NOTICE, SILENT = 20000, 2000000, 2750000, 1250000, 800000
local ROLL_CALL, SHORTEST_ROLL_CALL, ROLL_CALL_CLOSING, SILENCE, SWEEP = 1500000, 500000, 20000, 1500000, 250000
local STATED, FLOOR, SUB, BLOCK, SKEW, SHORT = 3000000, 0.05 / 0.95, 256, 16, 2000000, 300000000
local CATCH_UP, TIMER_SLACK, GRANTS, DROPS, RESETS = 50000, 10000, 24, 100, 200
local SCAN_LENGTH, SCAN_INTERVAL = 1000, 10000
local LANE_MEMORY, PAUSE_MEMORY, SETS, SAMPLE = 60000000, 3600000000, 64, 32
local RETURN_PARTS, RETURN_UNIT, MOST_EXPECTED, SHORTEST_WAIT, PART_CALLS, LEAST_PART = 16, 4096, 8, 50000, 4, 0.05
local LEARNED_WINDOWS, PROBE_PARTS, NEVER = 10, 10, 4503599627370496

local now
local me, number = ARGV[2], tonumber(ARGV[3])
local at = 10
local function arg() local value = ARGV[at]; at = at + 1; return value end
local function numberArg() return tonumber(arg()) end

-- Records: read once, written back once, where they changed.
local records, texts, written = {}, {}, {}
for _, key in ipairs({G_, B_, L_, F_, R_}) do records[key], texts[key] = {}, {} end

-- Flows are many, so they are packed: 57 bytes a client and the name of its only user, 12 a user beside others.
local function packFlow(f)
  if not f.weight then return pack('>I4d', f.waiting, f.tag) end
  return pack('>I4I3dI2I1I1ddI4I4dI5I1', f.waiting, f.weight, f.tag, f.returns, f.expected, f.seen, f.load, f.virtual,
    f.weights, f.active, f.top, f.number, f.sole and 1 or 0) .. (f.sole or '')
end

local function unpackFlow(text)
  local f = {top = 0}
  if #text == 12 then
    f.waiting, f.tag = unpackBits('>I4d', text)
  else
    local hasSole
    f.waiting, f.weight, f.tag, f.returns, f.expected, f.seen, f.load, f.virtual, f.weights, f.active, f.top, f.number,
      hasSole = unpackBits('>I4I3dI2I1I1ddI4I4dI5I1', text)
    f.sole = hasSole == 1 and text:sub(58)
  end
  return f
end

local function keep(key, field, text)
  local record = text and (key == F_ and unpackFlow or cmsgpack.unpack)(text) or false
  records[key][field], texts[key][field] = record, text
  return record
end

local function record(key, field)
  local found = records[key][field]
  if found == nil then found = keep(key, field, call('HGET', key, field)) end
  return found
end

local function all(key)
  local list = call('HGETALL', key)
  for i = 1, #list, 2 do
    if records[key][list[i]] == nil then keep(key, list[i], list[i + 1]) end
  end
  return records[key]
end

local function add(key, member)
  written[key] = true
  return call('ZADD', key, 0, member) == 1
end

local function remove(key, member) return call('ZREM', key, member) == 1 end

local function first(key, prefix, length)
  return call('ZRANGEBYLEX', key, '[' .. prefix, '[' .. prefix .. '\255', 'LIMIT', 0, length or 1)
end

local function flush()
  for key, fields in pairs(records) do
    for field, value in pairs(fields) do
      if value then
        local text = (key == F_ and packFlow or cmsgpack.pack)(value)
        if text ~= texts[key][field] then
          call('HSET', key, field, text)
          written[key] = true
        end
      elseif texts[key][field] then
        call('HDEL', key, field)
      end
    end
  end
end

-- Tickets, see TicketCoding.swift: lane(12) \2 client \0 user \0 place7 owner \0 id5 weight3 allowance3 cost5…
local LANE = 12
local tickets = {}
local function urgencyOf(lane) return tonumber(lane:sub(LANE)) end

local function ticket(text)
  local t = tickets[text]
  if t then return t end
  local clientEnd = text:find(NUL, LANE + 2, true)
  local userEnd = text:find(NUL, clientEnd + 1, true)
  local ownerEnd = text:find(NUL, userEnd + 8, true)
  local id, weight, allowance = unpackBits('>I5I3I3', text, ownerEnd + 1)
  t = {
    text = text, lane = text:sub(1, LANE), urgency = urgencyOf(text:sub(1, LANE)), client = text:sub(LANE + 2, clientEnd - 1),
    user = text:sub(clientEnd + 1, userEnd - 1), place = unpackBits('>I7', text, userEnd + 1),
    owner = text:sub(userEnd + 8, ownerEnd - 1), id = id, weight = weight, allowance = allowance, costs = {},
    clientPath = text:sub(1, clientEnd - 1),
  }
  for i = ownerEnd + 12, #text, 5 do t.costs[#t.costs + 1] = unpackBits('>I5', text, i) end
  t.front = t.lane .. '\1' .. text:sub(userEnd + 1, ownerEnd + 5) .. text:sub(LANE + 2, userEnd) .. text:sub(ownerEnd + 6)
  tickets[text] = t
  return t
end

-- A member of T, which at a lane's front is: lane \1 place7 owner \0 id5 client \0 user \0 weight3 allowance3 cost5…
local function ticketOf(member)
  if member:byte(LANE + 1) == 2 then return ticket(member) end
  local ownerEnd = member:find(NUL, LANE + 9, true)
  local clientEnd = member:find(NUL, ownerEnd + 6, true)
  local userEnd = member:find(NUL, clientEnd + 1, true)
  return ticket(member:sub(1, LANE) .. '\2' .. member:sub(ownerEnd + 6, userEnd) .. member:sub(LANE + 2, ownerEnd + 5)
    .. member:sub(userEnd + 1))
end

local function ownerOf(member)
  local from = LANE + 2
  if member:byte(LANE + 1) == 2 then from = member:find(NUL, member:find(NUL, from, true) + 1, true) + 1 end
  return member:sub(from + 7, member:find(NUL, from + 7, true) - 1)
end

local function tagBits(tag) return pack('>d', tag) end
-- In O: tags of as much service are equal, whichever sums they came from; then the name decides.
local function placeBits(tag) return pack('>d', floor(tag * 1073741824 + 0.5) / 1073741824) end
