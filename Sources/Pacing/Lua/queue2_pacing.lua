-- When units may go, and what is told of a bucket: BucketPacing.swift and BucketSpan.swift.
local ready, room, take, settle, span, tellBucket
do
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

function ready(b, wanted, open)
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

function room(b, time)
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

function take(b, amount, allowance, passing)
  if not passing then
    local gap = gapOf(b, amount)
    local late = CATCH_UP
    if isEven(b) then late = min(late, max(TIMER_SLACK, floor(gap / 5))) end
    b.pace = max(min(b.pace + gap, now + floor(gap / 5)), now - late)
  end
  b.total = b.total + amount
  book(b, amount, now + allowance)
end

function settle(b, booked, actual, time)
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

function span(b, units)
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

function tellBucket(b, out, paused)
  local n = #out
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = b.name, b.limit[1], effective(b) < b.limit[1] and b.learned or 0, b.per[1]
  out[n + 5], out[n + 6], out[n + 7], out[n + 8], out[n + 9] = life(b), b.burst[1], b.used, b.hold, b.reset
  out[n + 10], out[n + 11], out[n + 12] = (b.paused or paused) and 1 or 0, ready(b, 1), b.refusals
  local blocks = 0
  out[n + 13] = 0
  if b.reset > 0 then
    if b.used > b.late then blocks, out[n + 14], out[n + 15] = 1, b.reset + SKEW, b.used - b.late end
  else
    for i, sum in ipairs(b.coarse) do
      if sum > 0 then
        out[n + 14 + 2 * blocks], out[n + 15 + 2 * blocks] = (b.base + i) * BLOCK * width(b) + life(b), sum
        blocks = blocks + 1
      end
    end
  end
  out[n + 13] = blocks
end
end
