internal import PostgresClient
internal import Synchronization

/// What `/metrics` tells, in Prometheus's text format 0.0.4.
package final class BackendMetrics: Sendable {
    private struct Counters {
        var queryTimes = Histogram()
        var failedQueries = 0
        var answers: [Int: Int] = [:]
        var storedTurns = 0
        var failedTurns = 0
    }

    private let counters = Mutex(Counters())

    package init() {}

    /// One statement; called by the pool.
    package func queried(_ duration: Duration, succeeded: Bool) {
        counters.withLock { counters in
            counters.queryTimes.add(duration)
            if !succeeded { counters.failedQueries += 1 }
        }
    }

    func answered(status: Int) {
        counters.withLock { $0.answers[status, default: 0] += 1 }
    }

    func turnEnded(stored: Bool) {
        counters.withLock { counters in
            if stored { counters.storedTurns += 1 } else { counters.failedTurns += 1 }
        }
    }

    func text(pool: PoolCounts, runningTurns: Int) -> String {
        let counters = counters.withLock { $0 }
        var text = Self.head("backend_postgres_query_seconds", "histogram", "Time of one statement.")
        text += counters.queryTimes.lines(name: "backend_postgres_query_seconds")
        text += Self.head("backend_postgres_query_failures_total", "counter", "Statements that failed.")
        text += "backend_postgres_query_failures_total \(counters.failedQueries)\n"
        text += Self.head("backend_postgres_connections", "gauge", "Connections of the pool by state.")
        text += "backend_postgres_connections{state=\"in_use\"} \(pool.inUse)\n"
        text += "backend_postgres_connections{state=\"idle\"} \(pool.idle)\n"
        text += "backend_postgres_connections{state=\"connecting\"} \(pool.connecting)\n"
        text += Self.head("backend_postgres_waiting", "gauge", "Callers that wait for a connection.")
        text += "backend_postgres_waiting \(pool.waiting)\n"
        text += Self.head("backend_requests_total", "counter", "Answers by status.")
        for (status, count) in counters.answers.sorted(by: { $0.key < $1.key }) {
            text += "backend_requests_total{status=\"\(status)\"} \(count)\n"
        }
        text += Self.head("backend_turns_total", "counter", "Chat turns by outcome.")
        text += "backend_turns_total{outcome=\"stored\"} \(counters.storedTurns)\n"
        text += "backend_turns_total{outcome=\"failed\"} \(counters.failedTurns)\n"
        text += Self.head("backend_turns_running", "gauge", "Chat turns and document imports that run.")
        text += "backend_turns_running \(runningTurns)\n"
        return text
    }

    private static func head(_ name: String, _ type: String, _ help: String) -> String {
        "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }
}
