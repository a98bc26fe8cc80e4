internal import NIOCore
internal import Pacing

/// What `/metrics` tells of the queues: waiting calls by quota, and by upstream what became of calls and of the store.
enum QueueMetrics {
    /// One upstream's queue at this moment.
    struct Reading {
        let upstream: UpstreamPlan
        let statistics: QueueStatistics
    }

    static func read(_ plan: Plan) async -> [Reading] {
        var readings: [Reading] = []
        for upstream in plan.upstreams {
            // A loop that is gone has nothing to tell.
            guard let queue = upstream.queue, let statistics = try? await queue.statistics().get() else { continue }
            readings.append(Reading(upstream: upstream, statistics: statistics))
        }
        return readings
    }

    static func write(_ readings: [Reading], into text: inout PrometheusText) {
        quotas(readings, into: &text)
        text.family("gateway_queue_waiting_bytes", "gauge", "Bodies kept for calls that wait at this replica, bytes.")
        for reading in readings {
            text.sample("gateway_queue_waiting_bytes", label(reading), reading.upstream.waitingBytes.count)
        }
        calls(readings, into: &text)
        store(readings, into: &text)
    }

    private static func quotas(_ readings: [Reading], into text: inout PrometheusText) {
        let rows = readings.flatMap { reading in
            reading.statistics.quotas.map { QuotaRows.row($0, upstream: reading.upstream) }
        }
        text.family(
            "gateway_queue_depth",
            "gauge",
            "This replica's calls that wait for a quota; their sum over replicas is fit for an autoscaler."
        )
        for row in rows {
            text.sample("gateway_queue_depth", labels(row), row.waiting)
        }
        text.family(
            "gateway_queue_used_elsewhere",
            "gauge",
            "Units of a quota that others used within its window, as this replica noticed by the upstream's refusals."
        )
        for row in rows { text.sample("gateway_queue_used_elsewhere", labels(row), row.usedElsewhere) }
        moves(readings, into: &text)
    }

    /// How far fairness, urgency and weights moved calls from the order in which they came.
    private static func moves(_ readings: [Reading], into text: inout PrometheusText) {
        let moved = readings.flatMap { reading in
            reading.statistics.moves.map { moves in ([("quota", moves.quota)], moves) }
        }
        text.family("gateway_queue_moved_total", "counter", "Calls that went before or behind their first-come place.")
        for (labels, moves) in moved {
            text.sample("gateway_queue_moved_total", labels + [("direction", "before")], moves.before)
            text.sample("gateway_queue_moved_total", labels + [("direction", "behind")], moves.behind)
        }
        text.family("gateway_queue_moved_places_total", "counter", "By how many places they went, summed.")
        for (labels, moves) in moved {
            text.sample("gateway_queue_moved_places_total", labels + [("direction", "before")], moves.placesBefore)
            text.sample("gateway_queue_moved_places_total", labels + [("direction", "behind")], moves.placesBehind)
        }
    }

    private static func calls(_ readings: [Reading], into text: inout PrometheusText) {
        let counted: [Counter] = [
            ("gateway_queue_entered_total", "Calls that asked for a slot.", \.entered),
            ("gateway_queue_grants_total", "Slots that this replica got in time.", \.grants),
            ("gateway_queue_hand_backs_total", "Slots given back, as no byte was sent in them.", \.handBacks),
            ("gateway_queue_stale_grants_total", "Slots that came too late to be used; they went back.", \.stale),
            ("gateway_queue_left_total", "Calls whose callers left while they waited.", \.left),
        ]
        for counter in counted { write(counter, of: readings, into: &text) }
        let refused: [(String, KeyPath<QueueCounters, Int>)] = [
            ("full", \.queueFull), ("too_long", \.tooLong), ("timed_out", \.timedOut), ("too_large", \.tooLarge),
            ("unavailable", \.unavailable),
        ]
        text.family("gateway_queue_refusals_total", "counter", "Calls that got no slot, by reason.")
        for reading in readings {
            for (reason, counter) in refused {
                text.sample(
                    "gateway_queue_refusals_total",
                    label(reading) + [("reason", reason)],
                    reading.statistics.counters[keyPath: counter]
                )
            }
        }
    }

    private static func store(_ readings: [Reading], into text: inout PrometheusText) {
        text.family(
            "gateway_queue_store_state",
            "gauge",
            "1 at the state that holds: connecting, connected, local (paces its own part), cut (grants nothing)."
        )
        for reading in readings {
            for state in QueueStatistics.Mode.allCases {
                let holds = reading.statistics.mode == state
                text.sample("gateway_queue_store_state", label(reading) + [("state", state.rawValue)], holds ? 1 : 0)
            }
        }
        let counted: [Counter] = [
            ("gateway_queue_store_calls_total", "Calls to the queue's store.", \.calls),
            ("gateway_queue_store_losses_total", "Times that this replica lost the store and paced itself.", \.losses),
            ("gateway_queue_store_resyncs_total", "Times that all waiting calls were entered again.", \.resyncs),
            ("gateway_queue_store_clock_jumps_total", "Times that the store's clock jumped.", \.jumps),
        ]
        for counter in counted { write(counter, of: readings, into: &text) }
        text.family("gateway_queue_store_failures_total", "counter", "Calls to the store that failed, by reason.")
        for reading in readings {
            for reason in QueueFailure.allCases {
                text.sample(
                    "gateway_queue_store_failures_total",
                    label(reading) + [("reason", reason.rawValue)],
                    reading.statistics.counters.failuresByReason[reason] ?? 0
                )
            }
        }
    }

    private typealias Counter = (name: String, help: String, value: KeyPath<QueueCounters, Int>)

    private static func write(_ counter: Counter, of readings: [Reading], into text: inout PrometheusText) {
        text.family(counter.name, "counter", counter.help)
        for reading in readings {
            text.sample(counter.name, label(reading), reading.statistics.counters[keyPath: counter.value])
        }
    }

    private static func labels(_ row: StatsDocument.Quota) -> [(String, String)] {
        [("quota", row.name), ("model", row.model ?? "")]
    }

    private static func label(_ reading: Reading) -> [(String, String)] { [("upstream", reading.upstream.name)] }
}
