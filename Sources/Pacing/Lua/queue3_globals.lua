-- The call's globals, its buckets and lanes.
if ARGV[1] == '' then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[1])
end
-- A Redis that takes no writes refuses the call here, before anything is taken out or published.
call('HSET', G_, 'w', 1)

local G = record(G_, 'g')
if not G then
  G = {
    last = 0, epoch = 0, seq = 0, waiting = 0, full = 0, run = '', paused = false, pacer = '', due = NEVER, sweep = 0,
    scanned = false, dropping = false, death = NEVER, life = 0, longest = 0, rolling = false, owed = {}, shared = {},
    clients = 0, sharing = 0, quotas = {}, crowd = 0,
  }
  records[G_]['g'] = G
end
local wentBack = now < G.last - 1000000
if not wentBack then now = max(now, G.last) end
local back = wentBack and G.last - now or 0
local silence = G.last > 0 and now - G.last or 0
G.last = now
if G.epoch == 0 then G.epoch = now end

local me_ = record(R_, me)
-- Others may not know of it. What comes twice is no sign of life: it may be a good-bye.
local joins = not me_ or me_.last < now - DEAD and (number == 0 or number > me_.number)
if not me_ then
  me_ = {last = now, number = 0, pushed = 0, granted = 0, waiting = 0, scanned = false}
  records[R_][me] = me_
end
local isFresh = number > me_.number
if joins or me_.last >= now - DEAD then me_.last = now end
me_.pushed = 0
me_.number = max(number, me_.number)

local heads, advanced, made = {}, {}, 0
local lanes = allLanes()
local channel, publishing = ARGV[8], ARGV[9]
local function publish(replica, message) return call(publishing, channel .. replica, message) end

local function isOf(name, quota)
  return name == quota or name:sub(1, #quota) == quota and name:sub(#quota + 1, #quota + 1) == '/'
end

-- A bucket that is known: lanes name only such.
local function bucket(name) return record(B_, name) end

local function advance(name)
  if not advanced[name] then
    advanced[name] = true
    advanceBucket(bucket(name))
  end
end

-- Within a window of a restart as full: what those used who did not answer then still counts.
local function startsFull(b) return not isLong(b) and G.full > 0 and now < G.full + life(b) end

local function stated(f, withoutFill)
  if f.per <= SHORT then G.life = max(G.life, f.per + f.guard) end
  G.longest = max(G.longest, f.per)
  local b = record(B_, f.name)
  if b then
    stateBucket(b, f)
    return b
  end
  b = newBucket(f)
  for quota, pause in pairs(record(G_, 'pauses') or {}) do
    if pause[1] and isOf(f.name, quota) then b.paused = true end
  end
  records[B_][f.name] = b
  made = made + 1
  local quota = f.name:match('^([^/]*)/')
  if quota then G.quotas[quota] = true end
  if not withoutFill and startsFull(b) then fill(b, nil, 0, G.full) end
  return b
end

local function figuresArg()
  return {
    name = arg(), limit = numberArg(), per = numberArg(), guard = numberArg(), burst = numberArg(), reset = numberArg(),
  }
end

local function has(list, value)
  for _, other in ipairs(list) do if other == value then return true end end
  return false
end

-- In the order of their keys: sums of doubles depend on it. Also those that are forgotten, whose value is false: keys are
-- never removed, so as many are the same ones.
local sortedLanes
do
  local keys = {}
  sortedLanes = function()
    local count = 0
    for _ in pairs(lanes) do count = count + 1 end
    if count ~= #keys then
      keys = {}
      for key in pairs(lanes) do keys[#keys + 1] = key end
      table.sort(keys)
    end
    return keys
  end
end
