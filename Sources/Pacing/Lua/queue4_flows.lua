-- Two levels of start-time fair queueing below each lane: FlowTree.swift. A lane's record holds its root's numbers.
-- A user's has no children.
local function flow(path, make, isClient)
  local f = record(F_, path)
  if not f and make then
    f = {waiting = 0, tag = 0, top = 0}
    if isClient then
      G.clients = G.clients + 1
      f.number = G.clients
      f.weight, f.returns, f.expected, f.seen, f.load, f.virtual, f.weights, f.active = 0, 0, 0, 0, 0, 0, 0, 0
    end
    records[F_][path] = f
  end
  return f
end

-- Before its users' names, in F and in O: a number takes less room than the path to the client.
local function ofUsers(client) return pack('>I5', client.number) end

local purge, soleStart, account
do
  local function forget(path)
    records[F_][path], texts[F_][path] = nil, nil
    call('HDEL', F_, path)
  end

  -- Two flows that went away go for one that comes. 'ahead': also those whose tag is still ahead.
  function purge(p, prefix, isRoot, length, ahead)
    for _, member in ipairs(first(O_, prefix .. 'i', length)) do
      local at = #prefix + 2
      if not ahead and unpackBits('>d', member, at) > p.virtual then return end
      local name = member:sub(at + 8)
      local path, isFull = prefix .. name, false
      if isRoot then
        path = prefix:sub(1, -2) .. '\2' .. name
        local below = ofUsers(flow(path))
        local users = first(O_, below .. 'i', 4)
        for _, user in ipairs(users) do
          remove(O_, user)
          forget(below .. user:sub(#below + 10))
        end
        isFull = #users == 4
      end
      if not isFull then
        remove(O_, member)
        forget(path)
      end
    end
  end

  local function accountIn(p, prefix, isRoot, path, name, weight, waiters, charge, isFront)
    local c = flow(path, true, isRoot)
    local was = c.waiting > 0
    if was then remove(O_, prefix .. 'b' .. placeBits(c.tag) .. name)
    elseif texts[F_][path] or c.tag > 0 or c.top > 0 then remove(O_, prefix .. 'i' .. placeBits(c.tag) .. name) end
    local start = was and c.tag or max(p.virtual, c.tag)
    if charge > 0 and not isFront then p.virtual = max(p.virtual, start) end
    if charge ~= 0 then
      start = max(p.virtual, start + charge / weight)
      p.top = max(p.top, start)
    end
    c.tag = start
    c.waiting = c.waiting + waiters
    local is = c.waiting > 0
    if is ~= was then
      if is and isRoot then c.weight = weight end
      p.weights = p.weights + (is and weight or -(c.weight or 1))
      p.active = p.active + (is and 1 or -1)
    end
    if p.active == 0 then
      p.virtual = max(p.virtual, p.top)
      p.weights = 0
    end
    if is then
      add(O_, prefix .. 'b' .. placeBits(start) .. name)
    elseif start > p.virtual or isRoot and c.top > 0 then
      add(O_, prefix .. 'i' .. placeBits(start) .. name)
    else
      records[F_][path] = false
    end
    if charge > 0 then purge(p, prefix, isRoot, 2, false) end
  end

  -- The only user of a client that waits has no flow: its tag is the client's virtual time, or what it was served to.
  function soleStart(client) return max(client.virtual, client.top) end

  local function accountSole(client, waiters, charge, isFront)
    local start = soleStart(client)
    if charge > 0 and not isFront then client.virtual = max(client.virtual, start) end
    if charge ~= 0 then client.top = max(client.top, max(client.virtual, start + charge)) end
    client.weights, client.active = 1, 1
    if client.waiting + waiters == 0 then
      client.sole = false
      client.virtual = max(client.virtual, client.top)
      client.weights, client.active = 0, 0
    end
  end

  -- Another user came.
  local function makeSoleAFlow(client)
    local start, below, name = soleStart(client), ofUsers(client), client.sole
    client.sole = false
    records[F_][below .. name] = {waiting = client.waiting, tag = start, top = 0}
    add(O_, below .. 'b' .. placeBits(start) .. name)
  end

  -- 'load': what they will take.
  function account(lane, t, waiters, load, charge, isFront)
    local isKnown = record(F_, t.clientPath)
    local client = flow(t.clientPath, true, true)
    client.load = client.waiting + waiters > 0 and max(0, client.load + load) or 0
    if client.waiting == 0 and waiters > 0 and not (isKnown and first(O_, ofUsers(client) .. 'i')[1]) then
      client.sole = t.user
    end
    if client.sole == t.user then
      accountSole(client, waiters, charge, isFront)
      accountIn(lane, t.lane .. '\1', true, t.clientPath, t.client, t.weight, waiters, charge, isFront)
      return
    end
    if client.sole then makeSoleAFlow(client) end
    accountIn(client, ofUsers(client), false, ofUsers(client) .. t.user, t.user, 1, waiters, charge, isFront)
    accountIn(lane, t.lane .. '\1', true, t.clientPath, t.client, t.weight, waiters, charge, isFront)
  end
end

-- How surely somebody comes when one was served, of lanes and of clients.
local function arrived(f)
  if not f or f.expected == 0 then return end
  f.expected = f.expected - 1
  f.returns = min(RETURN_UNIT, f.returns + RETURN_UNIT / RETURN_PARTS)
end

local function served(f)
  if not f then return end
  f.expected = min(MOST_EXPECTED, f.expected + 1)
  f.seen = min(RETURN_PARTS, f.seen + 1)
  f.returns = f.returns - floor(f.returns / RETURN_PARTS)
end
