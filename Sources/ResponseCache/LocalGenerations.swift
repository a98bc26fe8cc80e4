/// Which answers of this process are outdated: a purge raises a number, and what was asked for under a lower one is no longer used.
///
/// The numbers are this process's own and only grow, whatever becomes of Redis; a purge and a check cost O(1).
struct LocalGenerations {
    private var all: UInt64 = 0
    private var routes = TagGenerations()
    private var clients = TagGenerations()

    mutating func stamp(for tags: CacheTags) -> GenerationStamp {
        let route = routes.slot(of: tags.route)
        let client = clients.slot(of: tags.client)
        return GenerationStamp(
            all: all,
            routeSlot: route,
            route: routes.numbers[route],
            clientSlot: client,
            client: clients.numbers[client]
        )
    }

    func isCurrent(_ stamp: GenerationStamp) -> Bool {
        stamp.all == all && stamp.route == routes.numbers[stamp.routeSlot]
            && stamp.client == clients.numbers[stamp.clientSlot]
    }

    mutating func purge(_ scope: PurgeScope) {
        switch scope {
        case .all: all += 1
        case .route(let name): routes.raise(name)
        case .client(let name): clients.raise(name)
        }
    }
}

/// The generations under which an answer was asked for: taken before the upstream call begins, so that a purge in the meantime outdates it.
package struct GenerationStamp: Sendable, Equatable {
    fileprivate let all: UInt64
    fileprivate let routeSlot: Int
    fileprivate let route: UInt64
    fileprivate let clientSlot: Int
    fileprivate let client: UInt64
}

/// What a purge outdates.
package enum PurgeScope: Sendable, Hashable {
    case all
    case route(String)
    case client(String)
}

private struct TagGenerations {
    /// More names than any configuration has; those above share slot 0, where a purge of one outdates all of them.
    private static let mostNames = 65_536
    private var slots: [String: Int] = [:]
    var numbers: [UInt64] = [0]

    mutating func slot(of name: String) -> Int {
        if let slot = slots[name] { return slot }
        guard numbers.count < Self.mostNames else { return 0 }
        slots[name] = numbers.count
        numbers.append(0)
        return numbers.count - 1
    }

    mutating func raise(_ name: String) {
        numbers[slot(of: name)] += 1
    }
}
