/// A flow of start-time fair queueing: a lane, a client in it, or a user of that client.
struct Flow: Sendable {
    /// Nil: a lane's root.
    var parent: Int?
    var name: String
    /// Who waits here.
    var waiting = 0
    /// While it is active its start tag. Then its finish tag, or where it would start if that was earlier: it comes again at
    /// the later of this and its parent's virtual time, so the two are as one.
    var tag = 0.0
    /// Of the children: the start tag of the last one served.
    var virtual = 0.0
    /// Of the active children.
    var weights = 0
    var active = 0
    /// The highest finish tag that a child got.
    var top = 0.0
    /// By which it counts in its parent while it is active.
    var weight = 0
    /// How surely somebody comes when one was served, 0…`Pace.returnUnit`, and how many are still expected: of lanes and
    /// of clients.
    var returns = 0
    var expected = 0
    /// How many services of a client that knowledge rests on, up to `Pace.returnParts`.
    var seen = 0
    /// Of a client: what those who wait will take, as parts of a quota.
    var load = 0.0
    /// Of a client: one user waits and no other is remembered. Then its tag is the client's virtual time, or what it was
    /// served to: the script keeps no flow for it.
    var hasSoleUser = false
    var busy = SortedSet<FlowTag>()
    /// Children that went away and are still ahead of the virtual time.
    var idle = SortedSet<FlowTag>()
    /// Of a user: its tickets by arrival.
    var tickets = SortedSet<QueueTicket>()
}

extension Flow {
    mutating func arrived() {
        guard expected > 0 else { return }
        expected -= 1
        returns = min(Pace.returnUnit, returns + Pace.returnUnit / Pace.returnParts)
    }

    mutating func served() {
        expected = min(Pace.mostExpected, expected + 1)
        seen = min(Pace.returnParts, seen + 1)
        returns -= returns / Pace.returnParts
    }
}

/// A flow's place among its parent's children.
struct FlowTag: Sendable, Comparable {
    /// Parts of a window's quota that are told apart. Two tags of as much service are equal, and their names decide,
    /// whichever sums they came from: a sixtieth once, or half of it twice.
    private static let unit = 0x1p-30

    let tag: Double
    let name: String
    let flow: Int

    init(tag: Double, name: String, flow: Int) {
        self.tag = (tag / Self.unit + 0.5).rounded(.down) * Self.unit
        self.name = name
        self.flow = flow
    }

    static func < (left: FlowTag, right: FlowTag) -> Bool {
        left.tag != right.tag ? left.tag < right.tag : left.name.utf8Precedes(right.name)
    }

    static func == (left: FlowTag, right: FlowTag) -> Bool { left.tag == right.tag && left.flow == right.flow }
}

/// Two levels of start-time fair queueing below each lane (Goyal, Vin, Cheng 1996): by weight between clients, evenly
/// between the users of one.
///
/// A newcomer's start tag is the virtual time; whoever waits has a tag at or after it and, served once, a later one: so
/// at most one request of each client goes before a newcomer. A flow whose tag is behind the virtual time costs nothing.
struct FlowTree: Sendable {
    private struct Key: Hashable, Sendable {
        var parent: Int
        var name: ExactName

        init(parent: Int, name: String) {
            self.parent = parent
            self.name = ExactName(name)
        }
    }

    private var flows = Arena<Flow>()
    private var children: [Key: Int] = [:]

    /// Flows below lanes.
    var count: Int { children.count }

    subscript(index: Int) -> Flow {
        get { flows[index] }
        _modify { yield &flows[index] }
    }

    mutating func addRoot() -> Int { flows.add(Flow(parent: nil, name: "")) }

    /// Only a root without children.
    mutating func removeRoot(_ root: Int) { flows.remove(root) }

    func child(of parent: Int, _ name: String) -> Int? { children[Key(parent: parent, name: name)] }

    private mutating func childOrNew(of parent: Int, _ name: String) -> Int {
        let key = Key(parent: parent, name: name)
        if let index = children[key] { return index }
        let index = flows.add(Flow(parent: parent, name: name))
        children[key] = index
        return index
    }

    /// A newcomer.
    mutating func arrived(root: Int, _ ticket: QueueTicket) {
        flows[root].arrived()
        if let client = child(of: root, ticket.client) { flows[client].arrived() }
    }

    /// One of the order was served.
    mutating func served(root: Int, _ ticket: QueueTicket) {
        flows[root].served()
        if let client = child(of: root, ticket.client) { flows[client].served() }
    }

    private mutating func forget(_ index: Int) {
        guard let parent = flows[index].parent else { return }
        children[Key(parent: parent, name: flows[index].name)] = nil
        flows.remove(index)
    }

    /// So many waiters more in the ticket's flows, and what it costs them (negative: undone).
    ///
    /// - Parameter front: it goes ahead of the order, so the virtual time stays.
    /// - Parameter load: what they will take.
    mutating func account(
        root: Int,
        _ ticket: QueueTicket,
        waiters: Int,
        load: Double = 0,
        charge: Double,
        front: Bool = false
    ) {
        let client = childOrNew(of: root, ticket.client)
        let waiting = flows[client].waiting + waiters
        flows[client].load = waiting > 0 ? max(0, flows[client].load + load) : 0
        if flows[client].waiting == 0 {
            flows[client].hasSoleUser = waiters > 0 && flows[client].idle.isEmpty
        } else if flows[client].busy.first?.name.isExactly(ticket.user) != true {
            flows[client].hasSoleUser = false
        }
        let user = childOrNew(of: client, ticket.user)
        account(parent: client, child: user, weight: 1, waiters: waiters, charge: charge, front: front)
        if waiting == 0 { flows[client].hasSoleUser = false }
        if flows[client].hasSoleUser { retag(soleUser: user, of: client) }
        account(parent: root, child: client, weight: ticket.weight, waiters: waiters, charge: charge, front: front)
    }

    private mutating func retag(soleUser user: Int, of client: Int) {
        let start = max(flows[client].virtual, flows[client].top)
        flows[client].busy.remove(FlowTag(tag: flows[user].tag, name: flows[user].name, flow: user))
        flows[user].tag = start
        flows[client].busy.insert(FlowTag(tag: start, name: flows[user].name, flow: user))
    }

    private mutating func account(parent: Int, child: Int, weight: Int, waiters: Int, charge: Double, front: Bool) {
        let name = flows[child].name
        let was = flows[child].waiting > 0
        if was {
            flows[parent].busy.remove(FlowTag(tag: flows[child].tag, name: name, flow: child))
        } else {
            flows[parent].idle.remove(FlowTag(tag: flows[child].tag, name: name, flow: child))
        }
        var start = was ? flows[child].tag : max(flows[parent].virtual, flows[child].tag)
        if charge > 0, !front { flows[parent].virtual = max(flows[parent].virtual, start) }
        if charge != 0 {
            start = max(flows[parent].virtual, start + charge / Double(weight))
            flows[parent].top = max(flows[parent].top, start)
        }
        flows[child].tag = start
        flows[child].waiting += waiters
        let now = flows[child].waiting > 0
        if now != was {
            if now { flows[child].weight = weight }
            flows[parent].weights += now ? weight : -flows[child].weight
            flows[parent].active += now ? 1 : -1
        }
        if flows[parent].active == 0 {
            flows[parent].virtual = max(flows[parent].virtual, flows[parent].top)
            flows[parent].weights = 0
        }
        let isClient = flows[parent].parent == nil
        if now {
            flows[parent].busy.insert(FlowTag(tag: start, name: name, flow: child))
        } else if start > flows[parent].virtual || isClient && flows[child].top > 0 {
            flows[parent].idle.insert(FlowTag(tag: start, name: name, flow: child))
        } else {
            forget(child)
        }
        if charge > 0 { purge(parent, atMost: 2, ahead: false) }
    }

    /// Flows that went away cost nothing: two go for one that comes.
    ///
    /// - Parameter ahead: also those whose tag is still ahead.
    mutating func purge(_ parent: Int, atMost length: Int, ahead: Bool) {
        let isRoot = flows[parent].parent == nil
        for tag in flows[parent].idle.prefix(length) {
            if !ahead, tag.tag > flows[parent].virtual { return }
            if isRoot {
                let users = flows[tag.flow].idle.prefix(4)
                for user in users {
                    flows[tag.flow].idle.remove(user)
                    forget(user.flow)
                }
                if users.count == 4 { continue }
            }
            flows[parent].idle.remove(tag)
            forget(tag.flow)
        }
    }
}
