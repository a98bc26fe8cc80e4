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
        let owner: LaneHandle
        /// By ticket: tickets are numbered in order, so the least has waited longest, and leaving stays O(1) for thousands.
        var callers: [UInt64: FlightCaller]
    }

    private let seats = Mutex<[CacheKey: Seat]>([:])

    var count: Int { seats.withLock { $0.count } }

    /// - Parameter flight: the number of the flight that begins if there is none.
    /// - Returns: whether it began.
    func join(_ key: CacheKey, caller: FlightCaller, flight: UInt64, owner: LaneHandle) -> Bool {
        seats.withLock { seats in
            if seats[key] != nil {
                seats[key]?.callers[caller.ticket] = caller
                return false
            }
            seats[key] = Seat(flight: flight, owner: owner, callers: [caller.ticket: caller])
            return true
        }
    }

    /// Begins a flight that nobody waits for, unless there is one.
    func begin(_ key: CacheKey, flight: UInt64, owner: LaneHandle) -> Bool {
        seats.withLock { seats in
            guard seats[key] == nil else { return false }
            seats[key] = Seat(flight: flight, owner: owner, callers: [:])
            return true
        }
    }

    /// - Returns: the flight's number and owner if nobody is left.
    func leave(_ key: CacheKey, ticket: UInt64) -> (flight: UInt64, owner: LaneHandle)? {
        seats.withLock { seats in
            guard seats[key]?.callers.removeValue(forKey: ticket) != nil else { return nil }
            guard let seat = seats[key], seat.callers.isEmpty else { return nil }
            return (seat.flight, seat.owner)
        }
    }

    /// Who has waited longest.
    func first(_ key: CacheKey, flight: UInt64) -> FlightCaller? {
        seats.withLock { seats in
            guard let seat = seats[key], seat.flight == flight else { return nil }
            return seat.callers.min { $0.key < $1.key }?.value
        }
    }

    func isEmpty(_ key: CacheKey, flight: UInt64) -> Bool {
        seats.withLock { seats in
            guard let seat = seats[key], seat.flight == flight else { return true }
            return seat.callers.isEmpty
        }
    }

    /// Ends a flight.
    /// - Returns: who waited.
    func close(_ key: CacheKey, flight: UInt64) -> [FlightCaller] {
        seats.withLock { seats in
            guard seats[key]?.flight == flight else { return [] }
            return seats.removeValue(forKey: key).map { $0.callers.values.sorted { $0.ticket < $1.ticket } } ?? []
        }
    }

    /// Ends a flight if nobody waits.
    func closeIfEmpty(_ key: CacheKey, flight: UInt64) -> Bool {
        seats.withLock { seats in
            guard let seat = seats[key], seat.flight == flight, seat.callers.isEmpty else { return false }
            seats[key] = nil
            return true
        }
    }

    func owner(of key: CacheKey) -> LaneHandle? {
        seats.withLock { $0[key]?.owner }
    }
}
