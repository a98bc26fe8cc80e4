-- What replicas ask for: QueueOperations.swift. Each operation is a letter and its arguments; each answers (kind, wait,
-- ahead, {entered before}) with kind 0 nothing, 1 waiting, 2 too long, 3 full, 4 waiting in the shared lane, 5 not all yet.
-- requeue: '0', or of which set's own lane it is; '1': of the one where it was granted.
local function undo(t, lane, requeue)
  account(lane, t, 0, 0, -share(lane, t.costs), true)
  for i, name in ipairs(lane.set) do
    local key = sharedKey(name, t.urgency)
    if t.costs[i] ~= 0 and G.shared[key] and tagIn(key, t.client) then
      chargeIn(key, t, -t.costs[i] / bucket(name).limit[1])
    end
  end
  heads = {}
  if requeue == '0' then return end
  local own = requeue == '1' and t.lane or requeue
  t = models.placeAgain(t, own)
  if not t then return end
  if not isWaiting(t) then join(t, lanes[t.lane], true) end
  return t.lane == own and 1 or 4
end

local startRollCall, answerRollCall
local tellsAll = false
local operations = {}

-- In a roll call only when that is over: until then a lower number shows what was lost.
local function countBooking()
  local roll = G.rolling and record(G_, 'roll')
  if roll then roll.bookings = roll.bookings + 1 else G.seq = G.seq + 1 end
end

-- e ticket, patience µs (-1: again)
function operations.e()
  local t, isShared, goesAtOnce = models.place(ticket(arg()))
  local kind, patience, lane = isShared and 4 or 1, numberArg(), lanes[t.lane]
  local function wait()
    join(t, lane, false)
    if goesAtOnce then grant(t, t.lane, lane, {}, true) end
  end
  if not lane then return 0, 0, 0 end
  local entered = patience >= 0 and ofBuckets(lane, 'entered') or {}
  if isWaiting(t) then return kind, 0, 0, entered end
  if patience < 0 then
    wait()
    return kind, 0, 0
  end
  local span, ahead, soon = estimate(t, lane)
  if G.waiting >= tonumber(ARGV[7]) then return 3, max(soon, span - patience), 0 end
  if span > patience then return 2, span, 0 end
  wait()
  return kind, span, ahead, entered
end

-- l ticket
function operations.l() part(ticket(arg()), 0) end

-- Of a grant: made at, epoch, n, n × units booked; n = 0: as the ticket asks.
local function stampArg(t)
  local time, epoch, booked = numberArg(), numberArg(), {}
  for i = 1, numberArg() do booked[i] = numberArg() end
  return time, epoch, #booked > 0 and booked or t.costs
end

-- b ticket, stamp, requeue
function operations.b()
  local t = ticket(arg())
  local time, epoch, booked = stampArg(t)
  local lane, requeue = models.laneOf(t.lane), arg()
  if not lane then return end
  if epoch == G.epoch then
    for i, name in ipairs(lane.set) do book(bucket(name), -booked[i], time + t.allowance) end
  end
  return undo(t, lane, requeue)
end

-- r ticket, granted at, hold µs (-1: none said), learned (0: none), requeue, n, n × bucket
function operations.r()
  local t, time, hold, learned, requeue = ticket(arg()), numberArg(), numberArg(), numberArg(), arg()
  local names = {}
  for i = 1, numberArg() do names[i] = arg() end
  local lane = models.laneOf(t.lane)
  if not lane then return end
  for _, name in ipairs(names) do
    local b = record(B_, name)
    if b then
      advance(name)
      refuse(b, time, hold, learned)
      models.teachWhereMoved(b)
    end
  end
  countBooking()
  return undo(t, lane, requeue)
end

-- s ticket, stamp, n, n × cost
function operations.s()
  local t = ticket(arg())
  local time, epoch, booked = stampArg(t)
  local costs = {}
  for i = 1, numberArg() do costs[i] = numberArg() end
  local lane = epoch == G.epoch and models.laneOf(t.lane)
  if not lane then return end
  for i, name in ipairs(lane.set) do
    advance(name)
    settle(bucket(name), booked[i], costs[i], time + t.allowance)
    models.bookWhereMoved(bucket(name), costs[i] - booked[i], time + t.allowance)
  end
  countBooking()
  local change = share(lane, costs) - share(lane, t.costs)
  if change == 0 then return end
  account(lane, t, 0, 0, change, true)
  for i, name in ipairs(lane.set) do
    local key, difference = sharedKey(name, t.urgency), costs[i] - t.costs[i]
    if difference ~= 0 and G.shared[key] and tagIn(key, t.client) then
      chargeIn(key, t, difference / bucket(name).limit[1])
    end
  end
  heads = {}
end

-- w ticket
function operations.w()
  local t = ticket(arg())
  local lane = lanes[t.lane]
  if not lane then return 0, 0, 0 end
  local wait, ahead = estimate(t, lane, true)
  return 1, wait, ahead
end

-- t
function operations.t() tellsAll = true end

-- j epoch
function operations.j() if numberArg() == G.epoch then startRollCall(true) end end

-- x
function operations.x()
  local _, more = scan(me_.scanned, RESETS, function(owner) return owner == me end)
  me_.scanned = more
  return more and 5 or 0
end

-- q
function operations.q()
  scan(false, RESETS, function(owner) return owner == me end)
  if me_.waiting == 0 then me_.last = now - DEAD - 1 end
  -- The others are fewer from now on.
  G.sweep = now
end

local function pause(quota, paused, time)
  local pauses = record(G_, 'pauses') or {}
  pauses[quota] = {paused, time}
  records[G_]['pauses'] = pauses
  if quota == '' then
    G.paused = paused
    return
  end
  for name, b in pairs(all(B_)) do if b and isOf(name, quota) then b.paused = paused end end
end

local function pausedAt(quota)
  local pauses = record(G_, 'pauses')
  return pauses and pauses[quota] and pauses[quota][2] or 0
end

-- p quota, 0|1
function operations.p()
  local quota, paused = arg(), arg() == '1'
  pause(quota, paused, max(now, pausedAt(quota) + 1))
end

-- z n, n × (quota, 0|1, µs)
function operations.z()
  for _ = 1, numberArg() do
    local quota, paused, time = arg(), arg() == '1', numberArg()
    if time > pausedAt(quota) then pause(quota, paused, time) end
  end
end

-- What it sent without this store's grant is missed with it too.
local function usesArg()
  local uses = {}
  for i = 1, numberArg() do
    local use = {numberArg(), numberArg()}
    if use[2] > 0 then me_.granted = max(me_.granted, min(use[1], now)) end
    uses[i] = use
  end
  return uses
end

-- f figures
function operations.f() stated(figuresArg()) end

-- What a roll call knows of a bucket: the most that any replica was told, what all sent since, what they sent.
local function knownOf(roll, figures)
  local known = roll.known[figures.name] or {figures = figures, told = 0, sent = {}}
  -- One that an older script made has none.
  known.since, known.learned, known.hold = known.since or 0, known.learned or 0, known.hold or 0
  roll.known[figures.name] = known
  return known
end

-- u figures, n, n × (time, units)
function operations.u()
  local figures = figuresArg()
  local b, uses = stated(figures), usesArg()
  for _, use in ipairs(uses) do models.bookUse(b, use[2], min(use[1], now + ALLOWANCE)) end
  countBooking()
  local roll = G.rolling and record(G_, 'roll')
  if roll and roll.answered[me] then
    local known = knownOf(roll, figures)
    for _, use in ipairs(uses) do
      known.sent[#known.sent + 1] = use
      known.since = known.since + use[2]
    end
  end
end

-- y full µs, p, p × replica known, n, n × (figures, told, sent since, learned, held until µs, m, m × (time, units))
function operations.y()
  local full, peers, reports = numberArg(), {}, {}
  for i = 1, numberArg() do peers[i] = arg() end
  for i = 1, numberArg() do
    reports[i] = {figures = figuresArg(), told = numberArg(), since = numberArg(), learned = numberArg(),
      hold = numberArg(), sent = usesArg()}
  end
  answerRollCall(reports, peers, full)
end
