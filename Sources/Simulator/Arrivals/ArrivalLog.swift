internal import DequeModule
internal import Synchronization

/// The last arrivals, in memory that does not grow.
package final class ArrivalLog: Sendable {
    private let capacity: Int
    private let state = Mutex(State())

    private struct State {
        var kept: Deque<Arrival> = []
        var lastID = 0
        var dropped = 0
    }

    /// - Parameter capacity: how many arrivals are kept; the oldest go first.
    package init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    /// - Returns: the id under which the arrival can be amended.
    package func note(_ arrival: Arrival) -> Int {
        state.withLock { state in
            state.lastID += 1
            var arrival = arrival
            arrival.id = state.lastID
            state.kept.append(arrival)
            if state.kept.count > capacity {
                state.kept.removeFirst()
                state.dropped += 1
            }
            return state.lastID
        }
    }

    /// Adds what became known later; nothing happens if the arrival is no longer kept.
    package func amend(_ id: Int, _ change: (inout Arrival) -> Void) {
        state.withLock { state in
            guard let first = state.kept.first?.id, id >= first, id - first < state.kept.count else { return }
            change(&state.kept[id - first])
        }
    }

    /// - Parameter since: microseconds of the monotonic clock; only later arrivals are told.
    package func report(since: Int64, now: Duration) -> ArrivalReport {
        state.withLock { state in
            ArrivalReport(
                now: now.wholeMicroseconds,
                dropped: state.dropped,
                arrivals: state.kept.filter { $0.at > since }
            )
        }
    }

    package func clear() {
        state.withLock { state in
            state.kept.removeAll()
            state.dropped = 0
        }
    }
}

/// The answer to `GET /simulator/log`.
package struct ArrivalReport: Encodable, Sendable {
    package let now: Int64
    /// Arrivals that memory had no room for since the log was cleared.
    package let dropped: Int
    package let arrivals: [Arrival]
}
