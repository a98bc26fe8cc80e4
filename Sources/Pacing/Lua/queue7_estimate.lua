-- How long a call would wait: QueueEstimate.swift. Returns µs and how many go before.
local function micros(value) return value < NEVER and floor(value) or NEVER end

local function lasting(backlog, returns)
  if returns >= RETURN_UNIT then return huge end
  return backlog * RETURN_UNIT / (RETURN_UNIT - returns)
end

-- How many tags, one every 'step', are before another; an equal one counts where its name is first.
local function turns(start, tag, step, isFirst)
  local steps = (tag - start) / step
  if steps < -1e-6 then return 0 end
  local whole = floor(steps + 1e-6)
  return (steps - whole > 1e-6 or isFirst) and whole + 1 or whole
end

-- Calls of a flow's other children that go before one with that tag. 'prefix' of them in O, 'path' in F.
local function callsOfOthers(tag, name, prefix, path, mean, waiting, weights, returns, parentReturns)
  if waiting <= 0 then return 0 end
  local calls, wanted, last, rest, restWeights, at = 0, 0, 0, waiting, weights, #prefix + 2
  for _, member in ipairs(first(O_, prefix .. 'b', SAMPLE)) do
    local other = member:sub(at + 8)
    last = unpackBits('>d', member, at)
    if other ~= name then
      local child = flow(path .. other)
      local weight = child.weight or 1
      rest, restWeights = rest - child.waiting, restWeights - weight
      local count = turns(last, tag, mean / weight, other < name)
      wanted = wanted + count
      calls = calls + min(count, lasting(child.waiting, returns or child.returns))
    end
  end
  if rest <= 0 or tag <= last then return calls end
  local more = (tag - last) * restWeights / mean
  return calls + min(more * (wanted > 0 and calls / wanted or 1), lasting(rest, returns or parentReturns))
end

local function callsOfItsClient(t, client, mean)
  local user = flow(t.userPath)
  local waiting = user and user.waiting or 0
  local tag = max(client.virtual, user and user.finish or 0)
  if waiting > 0 then tag = user.start + waiting * mean end
  return waiting + callsOfOthers(tag, t.user, t.clientPath .. NUL, t.clientPath .. NUL, mean, client.waiting - waiting,
    client.weights - (waiting > 0 and 1 or 0), client.returns)
end

local function callsBefore(t, lane, mean)
  local client, waiting, weight, own, tag = flow(t.clientPath), 0, 0, 0, lane.virtual
  if client then
    waiting = client.waiting
    if waiting > 0 then
      weight = client.weight
      own = callsOfItsClient(t, client, mean)
      tag = client.start + own * mean / t.weight
    else
      tag = max(tag, client.finish)
    end
  end
  local others = callsOfOthers(tag, t.client, t.lane .. '\1', t.lane .. '\2', mean, lane.waiting - lane.front - waiting,
    lane.weights - weight, nil, lane.returns)
  return lane.front + own + others
end

-- What part of a bucket's units the lane got of late; nil where that is not known.
local function partOf(lane, i, unitsAShare, cost)
  local total = bucket(lane.set[i]).total - lane.older[3][i]
  if lane.waiting == 0 or total < PART_CALLS * cost then return nil end
  return min(1, max(LEAST_PART, (lane.served - lane.older[2]) * unitsAShare / total))
end

local function sharesOfOthers(key, name, shares)
  local sum, urgency = 0, urgencyOf(key)
  for _, otherKey in ipairs(sortedLanes()) do
    local other = lanes[otherKey]
    if other.waiting > 0 and otherKey ~= key and urgencyOf(otherKey) <= urgency and has(other.set, name) then
      sum = sum + min(lasting(other.load, other.returns), urgencyOf(otherKey) < urgency and shares / FLOOR or shares)
    end
  end
  return sum
end

local function estimate(t, lane)
  local portion = share(lane, t.costs)
  local mean = lane.load > 0 and lane.load / lane.waiting or portion
  local before = callsBefore(t, lane, mean)
  local longest, most = 0, before
  for i, name in ipairs(lane.set) do
    advance(name)
    local b, cost = bucket(name), t.costs[i]
    local unitsAShare, shares = cost / portion, before * mean + portion
    local part = partOf(lane, i, unitsAShare, cost)
    if part then
      shares = shares / part
    else
      local others = sharesOfOthers(t.lane, name, shares)
      shares = shares + others
      most = max(most, before + others / mean)
    end
    longest = max(longest, ready(b, cost, true) - now, span(b, shares * unitsAShare))
  end
  return micros(longest), floor(min(most, G.waiting) + 0.5)
end
