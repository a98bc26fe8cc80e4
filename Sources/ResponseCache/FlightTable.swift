internal import NIOCore
internal import Synchronization

/// Reaches a lane from any thread.
struct LaneHandle: Sendable {
    private let eventLoop: any EventLoop
    private let lane: NIOLoopBound<CacheLane>

    /// On the lane's loop.
    init(_ lane: CacheLane) {
        eventLoop = lane.eventLoop
        self.lane = NIOLoopBound(lane, eventLoop: lane.eventLoop)
    }

    /// At once where the loop is this one.
    func run(_ body: @escaping @Sendable (CacheLane) -> Void) {
        if eventLoop.inEventLoop {
            body(lane.value)
        } else {
            eventLoop.execute { [lane] in body(lane.value) }
        }
    }
}

/// A caller among those of a flight.
struct FlightCaller: Sendable {
    let lane: LaneHandle
    /// Number of its ticket; unique in the process.
    let ticket: UInt64
}

/// Which keys are being fetched or waited for by this process, and for whom.
///
/// A flight's state lives on the loop of its owner; only who waits is shared, so that joining, leaving and ending cannot miss each other.
final class FlightTable: Sendable {
    private struct Seat {
        let flight: UInt64
        let stamp: GenerationStamp
        let owner: LaneHandle
        /// By ticket: tickets are numbered in order, so the least has waited longest, and leaving stays O(1) for thousands.
        var callers: [UInt64: FlightCaller]
    }

    /// A key has two flights where a purge came in between: who asks after it must not get what was asked for before.
    private let seats = Mutex<[CacheKey: [Seat]]>([:])

    var count: Int { seats.withLock { $0.count } }

    /// - Parameter flight: the number of the flight that begins if there is none.
    /// - Returns: whether it began.
    func join(
        _ key: CacheKey,
        _ stamp: GenerationStamp,
        caller: FlightCaller,
        flight: UInt64,
        owner: LaneHandle
    ) -> Bool {
        seats.withLock { seats in
            if let place = seats[key]?.firstIndex(where: { $0.stamp == stamp }) {
                seats[key]?[place].callers[caller.ticket] = caller
                return false
            }
            let seat = Seat(flight: flight, stamp: stamp, owner: owner, callers: [caller.ticket: caller])
            seats[key, default: []].append(seat)
            return true
        }
    }

    /// Begins a flight that nobody waits for, unless there is one.
    func begin(_ key: CacheKey, _ stamp: GenerationStamp, flight: UInt64, owner: LaneHandle) -> Bool {
        seats.withLock { seats in
            if seats[key]?.contains(where: { $0.stamp == stamp }) == true { return false }
            seats[key, default: []].append(Seat(flight: flight, stamp: stamp, owner: owner, callers: [:]))
            return true
        }
    }

    /// - Returns: the flight's number and owner if nobody is left.
    func leave(_ key: CacheKey, ticket: UInt64) -> (flight: UInt64, owner: LaneHandle)? {
        seats.withLock { seats in
            guard let place = seats[key]?.firstIndex(where: { $0.callers[ticket] != nil }) else { return nil }
            seats[key]?[place].callers[ticket] = nil
            guard let seat = seats[key]?[place], seat.callers.isEmpty else { return nil }
            return (seat.flight, seat.owner)
        }
    }

    /// Who has waited longest.
    func first(_ key: CacheKey, flight: UInt64) -> FlightCaller? {
        seats.withLock { seats in
            seats[key]?.first { $0.flight == flight }?.callers.min { $0.key < $1.key }?.value
        }
    }

    func isEmpty(_ key: CacheKey, flight: UInt64) -> Bool {
        seats.withLock { seats in
            seats[key]?.first { $0.flight == flight }?.callers.isEmpty ?? true
        }
    }

    /// Ends a flight.
    /// - Returns: who waited, the longest first.
    func close(_ key: CacheKey, flight: UInt64) -> [FlightCaller] {
        let callers = seats.withLock { Self.remove(&$0, key, flight: flight, onlyIfEmpty: false)?.callers.values }
        return callers?.sorted { $0.ticket < $1.ticket } ?? []
    }

    /// Ends a flight if nobody waits.
    func closeIfEmpty(_ key: CacheKey, flight: UInt64) -> Bool {
        seats.withLock { Self.remove(&$0, key, flight: flight, onlyIfEmpty: true) != nil }
    }

    /// The flights of a key, and who can be told of them.
    func owners(of key: CacheKey) -> [(flight: UInt64, owner: LaneHandle)] {
        seats.withLock { $0[key]?.map { ($0.flight, $0.owner) } ?? [] }
    }

    private static func remove(
        _ seats: inout [CacheKey: [Seat]],
        _ key: CacheKey,
        flight: UInt64,
        onlyIfEmpty: Bool
    ) -> Seat? {
        guard let place = seats[key]?.firstIndex(where: { $0.flight == flight }) else { return nil }
        if onlyIfEmpty, seats[key]?[place].callers.isEmpty == false { return nil }
        let seat = seats[key]?.remove(at: place)
        if seats[key]?.isEmpty == true { seats[key] = nil }
        return seat
    }
}
