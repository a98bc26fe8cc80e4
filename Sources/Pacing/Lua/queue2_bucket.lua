-- Buckets: Bucket.swift and BucketPacing.swift. A record: the figures limit, burst, guard, per as {value, stated at};
-- learned, raise, backoff, refused, refusals, hold, pace, used, late, reset, began, nextReset, first, base, coarse,
-- paused, total units granted, calls that entered and that are gone.
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

local function addCoarse(b, change, block)
  if #b.coarse == 0 then b.base = block end
  while block < b.base do
    table.insert(b.coarse, 1, 0)
    b.base = b.base - 1
  end
  while block - b.base >= #b.coarse do b.coarse[#b.coarse + 1] = 0 end
  b.coarse[block - b.base + 1] = b.coarse[block - b.base + 1] + change
end

local function book(b, amount, time)
  if b.reset > 0 then
    if amount <= 0 and time < b.began - SKEW then return end
    b.used = max(0, b.used + amount)
    if time >= b.reset - SKEW then b.late = max(0, b.late + amount) end
    b.late = min(b.late, b.used)
    return
  end
  local index = floor(time / width(b))
  if index < b.first or time > now + LONGEST_ALLOWANCE then return end
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

local function clearWindows(b)
  if #b.coarse > 0 then
    for block = b.base, b.base + #b.coarse - 1 do
      local fields = subWindows(b, block * BLOCK, (block + 1) * BLOCK - 1)
      call('HDEL', S_, unpack(fields))
    end
  end
  b.coarse = {}
end

local function resize(b, before)
  local old = {}
  for offset = 0, #b.coarse - 1 do
    local from = (b.base + offset) * BLOCK
    local _, values = subWindows(b, from, from + BLOCK - 1)
    for i, value in ipairs(values) do
      if value then old[#old + 1] = {from + i - 1, tonumber(value)} end
    end
  end
  clearWindows(b)
  b.used = b.reset > 0 and b.used or 0
  b.first = floor(now / width(b)) - floor((life(b) + width(b) - 1) / width(b)) - 1
  for _, use in ipairs(old) do book(b, use[2], (use[1] + 1) * before - 1) end
end

local function stateFigure(stated, figure, stricter)
  if figure == stated[1] or stricter or now > stated[2] + STATED then stated[1], stated[2] = figure, now end
end

local function stateReset(b, stated)
  local minute = 60000000
  if b.reset == 0 then
    b.reset, b.began = stated, stated - b.per[1]
  elseif stated > b.reset then
    if stated - b.reset <= 120 * minute and b.reset > now + minute then b.reset = stated else b.nextReset = stated end
  elseif stated < b.reset and stated > now + minute then
    b.reset = stated
  end
end

local function stateBucket(b, f)
  stateFigure(b.limit, f.limit, f.limit < b.limit[1])
  stateFigure(b.burst, f.burst, f.burst < b.burst[1])
  stateFigure(b.guard, f.guard, f.guard > b.guard[1])
  if b.burst[1] > b.limit[1] then b.burst[1] = b.limit[1] end
  local before = width(b)
  stateFigure(b.per, f.per, f.per > b.per[1])
  if width(b) ~= before then resize(b, before) end
  if f.reset > 0 then stateReset(b, f.reset) end
end

local function newBucket(f)
  local b = {
    name = f.name, limit = {f.limit, now}, burst = {f.burst, now}, guard = {f.guard, now}, per = {f.per, now},
    learned = 0, raise = 0, backoff = 0, refused = 0, refusals = 0, hold = 0, pace = 0, used = 0, late = 0,
    reset = f.reset, began = f.reset - f.per, nextReset = 0, base = 0, coarse = {}, paused = false, total = 0,
    entered = 0, gone = 0,
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
    if #b.coarse == 0 then
      b.first = edge
      return
    end
    local block = floor(b.first / BLOCK)
    if block < b.base then
      b.first = min(edge, b.base * BLOCK)
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
end

local function clear(b)
  clearWindows(b)
  b.used = 0
  b.first = floor((now - life(b)) / width(b))
  b.pace = 0
  b.raise = now + LEARNED_WINDOWS * b.per[1]
  b.refused = min(b.refused, now)
  b.hold = min(b.hold, now + b.per[1])
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

-- The steepest even rate that does not run dry before units come back, in units a microsecond, and how long it is the
-- steepest.
local function steepest(b)
  local whole = effective(b)
  if isEven(b) then
    local round = life(b) + ALLOWANCE + width(b)
    return whole / round, round
  end
  local have, steep, horizon = (whole - b.used) + max(1, whole / 50), huge, life(b)
  for i, sum in ipairs(b.coarse) do
    if sum > 0 then
      local left = (b.base + i - 1) * BLOCK * width(b) + life(b) - now
      if left > floor(b.per[1] / 32) and have / left < steep then steep, horizon = have / left, left end
      have = have + sum
    end
  end
  if have / life(b) < steep then steep, horizon = have / life(b), life(b) end
  return max(steep, whole / life(b) / 50), horizon
end

local function gapOf(b, amount) return floor(amount / steepest(b) + 0.5) end

local function ready(b, wanted, open)
  if b.paused and not open then return NEVER end
  local whole = effective(b)
  local amount = min(wanted, whole)
  local short = b.used + amount - whole
  if b.reset > 0 then
    if short <= 0 then return b.hold end
    return max(b.hold, (b.late + amount <= whole and b.reset or resetAfter(b)) + SKEW)
  end
  local paced, atOnce = 0, effectiveBurst(b)
  if atOnce >= amount and amount > atOnce - b.used and atOnce < whole then
    local gap = gapOf(b, amount)
    if b.pace + gap > now + floor(gap / 5) then paced = b.pace + gap end
  end
  if short <= 0 then return max(b.hold, paced) end
  for i, sum in ipairs(b.coarse) do
    if sum < short then
      short = short - sum
    else
      local block = b.base + i - 1
      local from = max(b.first, block * BLOCK)
      local _, values = subWindows(b, from, (block + 1) * BLOCK - 1)
      for j, value in ipairs(values) do
        if value then short = short - value end
        if short <= 0 then
          local back = (from + j) * width(b) + life(b)
          return max(b.hold, back, min(paced, back + floor(amount / whole * b.per[1])))
        end
      end
    end
  end
  return b.hold
end

local function room(b, time)
  if b.reset > 0 then
    if time < b.reset + SKEW then return effective(b) - b.used end
    return effective(b) - (time < resetAfter(b) + SKEW and b.late or 0)
  end
  local edge, back = floor((time - life(b)) / width(b)), 0
  for i, sum in ipairs(b.coarse) do
    local block = b.base + i - 1
    if (block + 1) * BLOCK <= edge then
      back = back + sum
    elseif block * BLOCK < edge then
      local from = max(b.first, block * BLOCK)
      if from < edge then
        local _, values = subWindows(b, from, edge - 1)
        for _, value in ipairs(values) do if value then back = back + value end end
      end
    end
  end
  return effective(b) - b.used + back
end

local function take(b, amount, allowance, passing)
  if not passing then
    local gap = gapOf(b, amount)
    local late = CATCH_UP
    if isEven(b) then late = min(late, max(TIMER_SLACK, floor(gap / 5))) end
    b.pace = max(min(b.pace + gap, now + floor(gap / 5)), now - late)
  end
  b.total = b.total + amount
  book(b, amount, now + allowance)
end

local function settle(b, booked, actual, time)
  if actual == booked then return end
  book(b, actual - booked, time)
  if actual < booked and b.reset == 0 then b.pace = b.pace - gapOf(b, booked - actual) end
end

-- How long it takes to let so many units go: BucketSpan.swift.
local function untilBack(b, units)
  local short = units
  if short <= 0 then return 0 end
  for i, sum in ipairs(b.coarse) do
    if sum > 0 then
      if sum < short then
        short = short - sum
      else
        local ends = (b.base + i) * BLOCK * width(b)
        local begins = max(b.first, (b.base + i - 1) * BLOCK) * width(b)
        return max(0, (begins + life(b) - now) + short / sum * (ends - begins))
      end
    end
  end
  return 0
end

local function ceil(value) return -floor(-value) end

local function span(b, units)
  local whole, held = effective(b), max(0, b.hold - now)
  if b.reset > 0 then
    local free = whole - b.used
    if units <= free then return held end
    local rest = units - free - (whole - b.late)
    if rest <= 0 then return max(held, b.reset + SKEW - now) end
    return max(held, (resetAfter(b) + SKEW - now) + (ceil(rest / whole) - 1) * b.per[1])
  end
  local windows = max(0, ceil(units / whole) - 1)
  local back = untilBack(b, units - windows * whole - (whole - b.used))
  local spread, paced = 0, units - max(0, effectiveBurst(b) - b.used)
  if effectiveBurst(b) < whole and paced > 0 then
    local steep, horizon = steepest(b)
    local early = steep * horizon
    spread = max(b.pace - now, -1 / steep)
      + (paced <= early and paced / steep or horizon + (paced - early) / (whole / life(b)))
  end
  return max(held, max(back + windows * life(b), spread))
end

local function tellBucket(b, out, paused)
  local booked = {}
  if b.reset > 0 then
    if b.used > b.late then booked = {b.reset + SKEW, b.used - b.late} end
  else
    for i, sum in ipairs(b.coarse) do
      if sum > 0 then
        booked[#booked + 1] = (b.base + i) * BLOCK * width(b) + life(b)
        booked[#booked + 1] = sum
      end
    end
  end
  for _, value in ipairs({
    b.name, b.limit[1], effective(b) < b.limit[1] and b.learned or 0, b.per[1], life(b), b.burst[1], b.used, b.hold,
    b.reset, (b.paused or paused) and 1 or 0, ready(b, 1), b.refusals, #booked / 2,
  }) do out[#out + 1] = value end
  for _, value in ipairs(booked) do out[#out + 1] = value end
end
