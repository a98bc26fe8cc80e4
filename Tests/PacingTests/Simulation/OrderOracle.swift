import Pacing

/// Who goes before whom, where all want the same buckets and nothing fails: shares by weight, newcomers, urgencies.
///
/// Knows only who entered and who was granted, in the store's order.
final class OrderOracle {
    private struct Client {
        var waiting = 0
        var weight = 1
        /// Service over weight since the beginning.
        var service = 0.0
        /// The largest call.
        var largest = 0.0
        var users: [String: Int] = [:]
    }

    /// Somebody's first call, ever.
    private struct Newcomer {
        var ticket: QueueTicket
        /// Calls that others were granted since it came: of clients, or of its own client's users.
        var before: [String: Int] = [:]
        var isUser: Bool
    }

    private struct Lane {
        var clients: [String: Client] = [:]
        /// By pair: the difference of their services when both began to wait.
        var since: [String: Double] = [:]
        var newcomers: [Newcomer] = []
        /// Slots that others got since this urgency last got one.
        var passed = 0
        var waiting = 0
    }

    private let world: World
    private let checksShares: Bool
    private let limits: [Int]
    private var lanes: [Int: Lane] = [:]
    private var tickets: [Int: QueueTicket] = [:]

    /// - Parameters:
    ///   - limits: of the set's buckets.
    ///   - checksShares: where there is one bucket: who needs much of a second one waits for it while others pass.
    init(world: World, limits: [Int], checksShares: Bool) {
        self.world = world
        self.limits = limits
        self.checksShares = checksShares
    }

    func asked(_ call: QueueCall, _ results: [QueueResult]) {
        for (operation, result) in zip(call.operations, results) {
            switch operation {
            case .enter(let ticket, _):
                if case .waiting = result { entered(ticket) }
            case .leave(let ticket): left(ticket)
            case .back(let ticket, _, let requeue, _): undone(ticket, requeue: requeue)
            case .settle(let ticket, _, let costs): settled(ticket, costs)
            default: break
            }
        }
    }

    private func share(_ costs: [Int]) -> Double {
        zip(costs, limits).reduce(0) { max($0, Double($1.0) / Double($1.1)) }
    }

    /// Who took less than it was charged for may go once more.
    private func settled(_ ticket: QueueTicket, _ costs: [Int]) {
        guard share(costs) < share(ticket.costs), var lane = lanes.removeValue(forKey: ticket.lane.urgency) else {
            return
        }
        for index in lane.newcomers.indices {
            let isUser = lane.newcomers[index].isUser
            guard isUser == (lane.newcomers[index].ticket.client == ticket.client) else { continue }
            lane.newcomers[index].before[isUser ? ticket.user : ticket.client, default: 0] -= 1
        }
        lanes[ticket.lane.urgency] = lane
    }

    private func entered(_ ticket: QueueTicket) {
        guard tickets[ticket.id] == nil else { return }
        tickets[ticket.id] = ticket
        var lane = lanes.removeValue(forKey: ticket.lane.urgency) ?? Lane()
        if lane.waiting == 0 { lane.passed = 0 }
        lane.waiting += 1
        let isNew = lane.clients[ticket.client] == nil
        var client = lane.clients.removeValue(forKey: ticket.client) ?? Client()
        if isNew { lane.newcomers.append(Newcomer(ticket: ticket, isUser: false)) }
        if client.users[ticket.user] == nil { lane.newcomers.append(Newcomer(ticket: ticket, isUser: true)) }
        client.users[ticket.user, default: 0] += 1
        client.weight = ticket.weight
        client.largest = max(client.largest, share(ticket.costs))
        client.waiting += 1
        if client.waiting == 1 {
            for (name, other) in lane.clients where other.waiting > 0 {
                lane.since[Self.pair(ticket.client, name)] =
                    ticket.client < name ? client.service - other.service : other.service - client.service
            }
        }
        lane.clients[ticket.client] = client
        lanes[ticket.lane.urgency] = lane
    }

    private static func pair(_ one: String, _ other: String) -> String { one < other ? one + other : other + one }

    private func left(_ ticket: QueueTicket) {
        guard tickets.removeValue(forKey: ticket.id) != nil else { return }
        lanes[ticket.lane.urgency]?.clients[ticket.client]?.waiting -= 1
        lanes[ticket.lane.urgency]?.waiting -= 1
        lanes[ticket.lane.urgency]?.newcomers.removeAll { $0.ticket == ticket }
    }

    /// A slot that could not be used: its charge is undone, so what was compared is not comparable any more.
    private func undone(_ ticket: QueueTicket, requeue: Bool) {
        lanes[ticket.lane.urgency]?.since = [:]
        lanes[ticket.lane.urgency]?.newcomers = []
        if requeue, tickets[ticket.id] == nil {
            tickets[ticket.id] = ticket
            lanes[ticket.lane.urgency]?.clients[ticket.client]?.waiting += 1
            lanes[ticket.lane.urgency]?.waiting += 1
        }
    }

    func granted(_ granted: QueueTicket) {
        let urgency = granted.lane.urgency
        guard let ticket = tickets.removeValue(forKey: granted.id), var lane = lanes.removeValue(forKey: urgency)
        else { return }
        checkNewcomers(&lane, ticket)
        lane.waiting -= 1
        lane.passed = 0
        if var client = lane.clients.removeValue(forKey: ticket.client) {
            client.service += share(ticket.costs) / Double(client.weight)
            if checksShares { checkShares(&lane, client, ticket) }
            client.waiting -= 1
            lane.clients[ticket.client] = client
        }
        lanes[urgency] = lane
        checkFloor(urgency)
    }

    /// At most one call of each client goes before a newcomer, and within its client one of each user.
    private func checkNewcomers(_ lane: inout Lane, _ ticket: QueueTicket) {
        lane.newcomers.removeAll { newcomer in
            newcomer.ticket.client == ticket.client && (!newcomer.isUser || newcomer.ticket.user == ticket.user)
        }
        for index in lane.newcomers.indices {
            let newcomer = lane.newcomers[index]
            guard newcomer.isUser == (newcomer.ticket.client == ticket.client) else { continue }
            let who = newcomer.isUser ? ticket.user : ticket.client
            lane.newcomers[index].before[who, default: 0] += 1
            if lane.newcomers[index].before[who]! > 1 {
                let kind = newcomer.isUser ? "user" : "client"
                world.fail("two calls of \(kind) \(who) go before the newcomer \(newcomer.ticket.id)")
            }
        }
    }

    /// Goyal, Vin, Cheng 1996: of two that both wait all the time none is ahead by more than a call of each.
    private func checkShares(_ lane: inout Lane, _ client: Client, _ ticket: QueueTicket) {
        for (name, other) in lane.clients where other.waiting > 0 {
            let pair = Self.pair(ticket.client, name)
            guard let since = lane.since[pair] else { continue }
            let difference =
                ticket.client < name ? client.service - other.service : other.service - client.service
            let most = client.largest / Double(client.weight) + other.largest / Double(other.weight)
            if abs(difference - since) > most + 1e-9 {
                world.fail("shares of \(ticket.client) and \(name) are apart by \(difference - since), not \(most)")
            }
        }
    }

    /// Each urgency that waits gets one slot in twenty.
    private func checkFloor(_ urgency: Int) {
        for other in lanes.keys where other != urgency && lanes[other]!.waiting > 0 {
            lanes[other]!.passed += 1
            // Two urgencies may be owed one at the same time, and the first pass finds nobody blocked yet.
            if checksShares, lanes[other]!.passed > 20 + lanes.count { world.fail("urgency \(other) starves") }
        }
    }
}
