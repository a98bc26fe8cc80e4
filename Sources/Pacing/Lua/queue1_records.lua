-- One upstream's paced queue and all its quota buckets, for all replicas: QueueState.swift's twin. Version 4 ("q4" in the
-- keys). The parts queue1_…queue9_ are one script, concatenated in order; what only one of them needs is in blocks, as a script
-- may have two hundred local names.
--
-- KEYS, one hash tag: 1 G globals (hash: g, roll, live, models, pauses) · 2 B bucket -> record · 3 S bucket\0sub-window -> units
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
local LANE_MEMORY, CROWDED_MEMORY, PAUSE_MEMORY, SAMPLE = 60000000, 5000000, 3600000000, 32
local SETS, BUCKETS, IDLE_LANES = 64, 512, 128
local RETURN_PARTS, RETURN_UNIT, MOST_EXPECTED, SHORTEST_WAIT, PART_CALLS, LEAST_PART = 16, 4096, 8, 50000, 4, 0.05
local LEARNED_WINDOWS, PROBE_PARTS, NEVER = 10, 10, 4503599627370496

local now
local me, number = ARGV[2], tonumber(ARGV[3])
local at = 10
local function arg() local value = ARGV[at]; at = at + 1; return value end
local function numberArg() return tonumber(arg()) end

-- Records: read once, written back once, where they changed.
local records, texts, written, unchanged = {}, {}, {}, {}
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

-- Buckets and lanes are read many at a time: as lists, so that they are packed in one order, and a record that nothing
-- changed is not written again. Before a lane stands when it was touched, and whether anybody waits.
local packRecord, unpackRecord
do
  local function laneOf(v)
    return {
      set = v[1], model = v[2], waiting = v[3], front = v[4], virtual = v[5], weights = v[6], active = v[7], top = v[8],
      returns = v[9], expected = v[10], seen = v[11], load = v[12], loads = v[13], served = v[14], older = v[15],
      newer = v[16], touched = v[17], blocker = v[18],
    }
  end

  local function listOfLane(l)
    return {
      l.set, l.model, l.waiting, l.front, l.virtual, l.weights, l.active, l.top, l.returns, l.expected, l.seen, l.load,
      l.loads, l.served, l.older, l.newer, l.touched, l.blocker or false,
    }
  end

  local function bucketOf(v)
    return {
      name = v[1], limit = {v[2], v[3]}, burst = {v[4], v[5]}, guard = {v[6], v[7]}, per = {v[8], v[9]}, learned = v[10],
      raise = v[11], backoff = v[12], refused = v[13], refusals = v[14], hold = v[15], pace = v[16], used = v[17],
      late = v[18], reset = v[19], began = v[20], nextReset = v[21], kind = v[22], first = v[23], base = v[24],
      coarse = v[25], paused = v[26], moved = v[27], lanes = v[28], total = v[29], entered = v[30], gone = v[31],
    }
  end

  local function listOfBucket(b)
    return {
      b.name, b.limit[1], b.limit[2], b.burst[1], b.burst[2], b.guard[1], b.guard[2], b.per[1], b.per[2], b.learned,
      b.raise, b.backoff, b.refused, b.refusals, b.hold, b.pace, b.used, b.late, b.reset, b.began, b.nextReset, b.kind,
      b.first, b.base, b.coarse, b.paused, b.moved, b.lanes, b.total, b.entered, b.gone,
    }
  end

  function packRecord(key, value)
    if key == F_ then return packFlow(value) end
    if key == B_ then return cmsgpack.pack(listOfBucket(value)) end
    if key ~= L_ then return cmsgpack.pack(value) end
    return pack('>I7I1', value.touched, min(1, value.waiting)) .. cmsgpack.pack(listOfLane(value))
  end

  function unpackRecord(key, text)
    if key == F_ then return unpackFlow(text) end
    if key == B_ then return bucketOf(cmsgpack.unpack(text)) end
    return key == L_ and laneOf(cmsgpack.unpack(text:sub(9))) or cmsgpack.unpack(text)
  end
end

local function keep(key, field, text)
  local record = text and unpackRecord(key, text) or false
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

-- Those where somebody waits; the others, by key in 'idle', when they are asked for.
local idle = {}
local function allLanes()
  local list = call('HGETALL', L_)
  for i = 1, #list, 2 do
    if list[i + 1]:byte(8) == 0 then idle[list[i]] = list[i + 1] else keep(L_, list[i], list[i + 1]) end
  end
  return setmetatable(records[L_], {__index = function(_, key)
    local text = idle[key]
    idle[key] = nil
    return text and keep(L_, key, text)
  end})
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
      if value and not unchanged[value] then
        local text = packRecord(key, value)
        if text ~= texts[key][field] then
          call('HSET', key, field, text)
          written[key] = true
        end
      elseif not value and texts[key][field] then
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
