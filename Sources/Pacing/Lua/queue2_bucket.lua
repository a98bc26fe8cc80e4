-- Buckets: Bucket.swift and BucketKind.swift. A record: the figures limit, burst, guard, per as {value, stated at};
-- learned, raise, backoff, refused, refusals, hold, pace, used, late, reset, began, nextReset, kind (when it was stated that
-- it is a calendar window, or slides), first, base, coarse, paused, moved (to the bucket that counts its units too), lanes
-- that name it, total units granted, calls that entered and that are gone.
local function width(b) return floor((b.per[1] + SUB - 1) / SUB) end
local function life(b) return b.per[1] + b.guard[1] end
local function effective(b) return b.learned > 0 and min(b.limit[1], b.learned) or b.limit[1] end
local function effectiveBurst(b) return floor((b.burst[1] * effective(b) + b.limit[1] - 1) / b.limit[1]) end
local function isEven(b) return effectiveBurst(b) == 1 end
local function resetAfter(b) return b.nextReset > b.reset and b.nextReset or b.reset + b.per[1] end
local function isLong(b) return b.per[1] > SHORT or b.reset > 0 end
local function subWindow(b, index) return b.name .. NUL .. format('%.0f', index) end

local function subWindows(b, from, to)
  local fields = {}
  for index = from, to do fields[#fields + 1] = subWindow(b, index) end
  return fields, call('HMGET', S_, unpack(fields))
end

local book, clearWindows, usesOf, stateBucket
do
local function addCoarse(b, change, block)
  if #b.coarse == 0 then b.base = block end
  while block < b.base do
    table.insert(b.coarse, 1, 0)
    b.base = b.base - 1
  end
  while block - b.base >= #b.coarse do b.coarse[#b.coarse + 1] = 0 end
  b.coarse[block - b.base + 1] = b.coarse[block - b.base + 1] + change
end

-- When a calendar window's units were used, by block: BucketKind.swift.
local function isRemembered(b, block) return (block + 1) * BLOCK * width(b) + life(b) > now end

local function remember(b, amount, time)
  local block = floor(floor(min(time, now + LONGEST_ALLOWANCE) / width(b)) / BLOCK)
  if not isRemembered(b, block) then return end
  local i = block - b.base + 1
  if amount > 0 then
    addCoarse(b, amount, block)
  elseif i >= 1 and i <= #b.coarse then
    b.coarse[i] = max(0, b.coarse[i] + amount)
  end
  while #b.coarse > 0 and not isRemembered(b, b.base) do
    table.remove(b.coarse, 1)
    b.base = b.base + 1
  end
end

local function usesByBlock(b, wide)
  local uses = {}
  for i, sum in ipairs(b.coarse) do
    if sum > 0 then uses[#uses + 1] = {min((b.base + i) * BLOCK * wide - 1, now + LONGEST_ALLOWANCE), sum} end
  end
  return uses
end

function book(b, amount, time)
  if b.reset > 0 then
    remember(b, amount, time)
    if amount <= 0 and time < b.began - SKEW then return end
    b.used = max(0, b.used + amount)
    if time >= b.reset - SKEW then b.late = max(0, b.late + amount) end
    b.late = min(b.late, b.used)
    return
  end
  local index = floor(time / width(b))
  if index < max(b.first, floor((now - life(b)) / width(b))) or time > now + LONGEST_ALLOWANCE then return end
  local change = amount
  if amount < 0 then
    change = max(amount, -(tonumber(call('HGET', S_, subWindow(b, index))) or 0))
  end
  if change == 0 then return end
  if call('HINCRBY', S_, subWindow(b, index), change) == 0 then call('HDEL', S_, subWindow(b, index)) end
  written[S_] = true
  b.used = b.used + change
  addCoarse(b, change, floor(index / BLOCK))
end

function clearWindows(b)
  if #b.coarse > 0 and b.reset == 0 then
    for block = b.base, b.base + #b.coarse - 1 do
      local fields = subWindows(b, block * BLOCK, (block + 1) * BLOCK - 1)
      call('HDEL', S_, unpack(fields))
    end
  end
  b.coarse = {}
end

-- What sub-windows of that width hold, each at its end; nothing is booked further ahead than a slot may take.
local function usesBySubWindow(b, wide)
  local uses = {}
  for offset = 0, #b.coarse - 1 do
    local from = (b.base + offset) * BLOCK
    local _, values = subWindows(b, from, from + BLOCK - 1)
    for i, value in ipairs(values) do
      if value then uses[#uses + 1] = {min((from + i) * wide - 1, now + LONGEST_ALLOWANCE), tonumber(value)} end
    end
  end
  return uses
end

-- All that counts now, and until when.
function usesOf(b)
  if b.reset == 0 then return usesBySubWindow(b, width(b)) end
  return {{now, b.used - b.late}, {b.reset, b.late}}
end

local function empty(b)
  b.coarse = {}
  if b.reset == 0 then b.used = 0 end
  b.first = floor(now / width(b)) - floor((life(b) + width(b) - 1) / width(b)) - 1
end

local function resize(b, before)
  local old = (b.reset > 0 and usesByBlock or usesBySubWindow)(b, before)
  clearWindows(b)
  empty(b)
  for _, use in ipairs(old) do (b.reset > 0 and remember or book)(b, use[2], use[1]) end
end

-- From a calendar window to a sliding one, or the other way.
local function changeKind(b, f)
  local wasCalendar, used = b.reset > 0, b.used
  local old = wasCalendar and usesByBlock(b, width(b)) or usesOf(b)
  clearWindows(b)
  b.limit, b.burst, b.guard, b.per = {f.limit, now}, {f.burst, now}, {f.guard, now}, {f.per, now}
  b.kind, b.reset, b.began, b.nextReset, b.late, b.used, b.pace = now, f.reset, f.reset - f.per, 0, 0, 0, 0
  empty(b)
  local told = 0
  for _, use in ipairs(old) do
    told = told + use[2]
    if b.reset > 0 and use[1] < b.began - SKEW then remember(b, use[2], use[1]) else book(b, use[2], use[1]) end
  end
  if wasCalendar and used > told then book(b, used - told, now) end
end

local function stateFigure(stated, figure, stricter)
  if figure == stated[1] or stricter or now > stated[2] + STATED then stated[1], stated[2] = figure, now end
end

local function stateReset(b, stated)
  local minute = 60000000
  if stated > b.reset then
    if stated - b.reset <= 120 * minute and b.reset > now + minute then b.reset = stated else b.nextReset = stated end
  elseif stated < b.reset and stated > now + minute then
    b.reset = stated
  end
end

function stateBucket(b, f)
  if (f.reset > 0) ~= (b.reset > 0) then
    if now > b.kind + STATED then changeKind(b, f) end
    return
  end
  b.kind = now
  stateFigure(b.limit, f.limit, f.limit < b.limit[1])
  stateFigure(b.burst, f.burst, f.burst < b.burst[1])
  stateFigure(b.guard, f.guard, f.guard > b.guard[1])
  if b.burst[1] > b.limit[1] then b.burst[1] = b.limit[1] end
  local before = width(b)
  stateFigure(b.per, f.per, f.per > b.per[1])
  if width(b) ~= before then resize(b, before) end
  if f.reset > 0 then stateReset(b, f.reset) end
end
end

local function newBucket(f)
  local b = {
    name = f.name, limit = {f.limit, now}, burst = {f.burst, now}, guard = {f.guard, now}, per = {f.per, now},
    learned = 0, raise = 0, backoff = 0, refused = 0, refusals = 0, hold = 0, pace = 0, used = 0, late = 0,
    reset = f.reset, began = f.reset - f.per, nextReset = 0, kind = now, base = 0, coarse = {}, paused = false,
    moved = false, lanes = 0, total = 0, entered = 0, gone = 0,
  }
  b.first = floor((now - life(b)) / width(b)) - 1
  return b
end

local function advanceBucket(b)
  if b.learned > 0 and now >= b.raise then
    b.learned = b.learned + max(1, floor(b.limit[1] / PROBE_PARTS))
    b.raise = now + b.per[1]
    if b.learned >= b.limit[1] then b.learned = 0 end
  end
  if b.reset > 0 then
    if now >= b.reset + SKEW then
      b.used, b.late, b.began = b.late, 0, b.reset
      b.reset = resetAfter(b)
    end
    return
  end
  local edge = floor((now - life(b)) / width(b))
  while b.first < edge do
    if #b.coarse == 0 then return end
    local block = floor(b.first / BLOCK)
    if block < b.base then
      if edge < b.base * BLOCK then return end
      b.first = b.base * BLOCK
    else
      local stop = min(edge, (block + 1) * BLOCK)
      if b.coarse[1] > 0 then
        local fields, values = subWindows(b, b.first, stop - 1)
        for _, value in ipairs(values) do
          if value then
            b.used = b.used - value
            b.coarse[1] = b.coarse[1] - value
          end
        end
        call('HDEL', S_, unpack(fields))
      end
      if stop == (block + 1) * BLOCK then
        table.remove(b.coarse, 1)
        b.base = b.base + 1
      end
      b.first = stop
    end
  end
end

local function fill(b, told, margin, time)
  local amount = effective(b) - b.used
  if told then amount = min(amount, max(0, told - b.used) + margin) end
  if amount > 0 then book(b, amount, time) end
end

-- What was stated since then holds as if it had been stated now: by another clock that may be long ago.
local function restate(b, since)
  for _, stated in ipairs({b.limit, b.burst, b.guard, b.per}) do if stated[2] > since then stated[2] = now end end
  if b.kind > since then b.kind = now end
end

local function clear(b)
  clearWindows(b)
  b.used = 0
  b.first = floor((now - life(b)) / width(b))
  b.pace = 0
  b.moved = false
  restate(b, -1)
end

local function learn(b, stated)
  if b.learned > 0 and stated >= b.learned then return end
  b.learned, b.raise = stated, now + LEARNED_WINDOWS * b.per[1]
end

local function refuse(b, granted, hold, learned)
  b.refusals = b.refusals + 1
  if hold >= 0 then
    b.hold = max(b.hold, now + hold)
  elseif granted > b.refused then
    local again = b.backoff > 0 and now < b.refused + b.backoff + b.per[1]
    b.backoff = min(b.per[1], again and b.backoff * 2 or max(1, floor(b.per[1] / effective(b))))
    b.hold = max(b.hold, now + b.backoff)
  end
  if learned >= 1 then learn(b, learned) end
  b.raise = now + LEARNED_WINDOWS * b.per[1]
  b.refused = now
end
