internal import Foundation

/// `GET /admin/stats` as it goes out. Durations in seconds, counters since start.
package struct StatsDocument: Codable, Sendable, Equatable {
    package struct Cluster: Codable, Sendable, Equatable {
        package var replicas = 1
        package var requests = 0
        package var inFlight = 0
        package var users = 0
        package var byStatus: [String: Int] = [:]
        package var byRoute: [String: [String: Int]] = [:]
        enum CodingKeys: String, CodingKey {
            case replicas, requests
            case inFlight = "in_flight"
            case users
            case byStatus = "by_status"
            case byRoute = "by_route"
        }
    }

    package struct Replica: Codable, Sendable, Equatable {
        package var id = ""
        package var uptime = 0.0
        package var version = GatewayVersion.text
        package var requests = 0
    }

    package struct Quantiles: Codable, Sendable, Equatable {
        package var p50 = 0.0
        package var p95 = 0.0
        package var p99 = 0.0
        package var p999 = 0.0
    }

    package struct Latency: Codable, Sendable, Equatable {
        package var gateway = Quantiles()
        package var queue = Quantiles()
        package var upstream = Quantiles()
    }

    package struct Limit: Codable, Sendable, Equatable {
        package struct Denied: Codable, Sendable, Equatable {
            package var key: String
            package var denied: Int
        }
        package var name: String
        package var allowed: Int
        package var denied: Int
        package var top: [Denied]
    }

    package struct Cache: Codable, Sendable, Equatable {
        package var hits = 0
        package var misses = 0
        package var collapsed = 0
        package var stale = 0
        package var ratio = 0.0
        package var bytes = 0
        package var entries = 0
        package var callsSaved = 0
        package var costSaved = 0.0
        enum CodingKeys: String, CodingKey {
            case hits, misses, collapsed, stale, ratio, bytes, entries
            case callsSaved = "calls_saved"
            case costSaved = "cost_saved"
        }
    }

    package struct Quota: Codable, Sendable, Equatable {
        package var name: String
        package var upstream: String
        package var model: String?
        /// `nil` (null): no quota covers the model.
        package var limit: Int?
        package var configured: Int?
        package var per: Double?
        package var used = 0
        package var utilization = 0.0
        package var waiting = 0
        package var waitingByClient: [String: Int] = [:]
        package var waitingByUrgency: [String: Int] = [:]
        package var nextSlot = 0.0
        package var oldestWait = 0.0
        package var expectedWait = 0.0
        package var upstream429s = 0
        /// Units that others used of it, noticed by the upstream's refusals within the last window.
        package var usedElsewhere = 0
        package var hold = 0.0
        package var paused = false
        enum CodingKeys: String, CodingKey {
            case name, upstream, model, limit, configured, per, used, utilization, waiting
            case waitingByClient = "waiting_by_client"
            case waitingByUrgency = "waiting_by_urgency"
            case nextSlot = "next_slot"
            case oldestWait = "oldest_wait"
            case expectedWait = "expected_wait"
            case upstream429s = "upstream_429s"
            case usedElsewhere = "used_elsewhere"
            case hold, paused
        }

        /// An absent limit is shown as null, so that whoever reads it sees that there is none.
        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(upstream, forKey: .upstream)
            try container.encode(model, forKey: .model)
            try container.encode(limit, forKey: .limit)
            try container.encode(configured, forKey: .configured)
            try container.encode(per, forKey: .per)
            try container.encode(used, forKey: .used)
            try container.encode(utilization, forKey: .utilization)
            try container.encode(waiting, forKey: .waiting)
            try container.encode(waitingByClient, forKey: .waitingByClient)
            try container.encode(waitingByUrgency, forKey: .waitingByUrgency)
            try container.encode(nextSlot, forKey: .nextSlot)
            try container.encode(oldestWait, forKey: .oldestWait)
            try container.encode(expectedWait, forKey: .expectedWait)
            try container.encode(upstream429s, forKey: .upstream429s)
            try container.encode(usedElsewhere, forKey: .usedElsewhere)
            try container.encode(hold, forKey: .hold)
            try container.encode(paused, forKey: .paused)
        }
    }

    package struct Tokens: Codable, Sendable, Equatable {
        package var client: String
        package var model: String
        package var input: Int
        package var output: Int
        package var cost: Double
    }

    package struct Upstream: Codable, Sendable, Equatable {
        package var name: String
        package var connections: Int
        package var breaker: String
        package var errors: Int
    }

    package struct Redis: Codable, Sendable, Equatable {
        package var mode = "embedded"
        package var latencyP99 = 0.0
        package var errors = 0
        package var commands = 0
        /// Anything but noeviction may lose limits and queues.
        package var evictionPolicy: String?
        enum CodingKeys: String, CodingKey {
            case mode
            case latencyP99 = "latency_p99"
            case errors, commands
            case evictionPolicy = "eviction_policy"
        }
    }

    package var cluster = Cluster()
    package var replica = Replica()
    package var latency: [String: Latency] = [:]
    package var limits: [Limit] = []
    package var cache = Cache()
    package var quotas: [Quota] = []
    package var tokens: [Tokens] = []
    package var upstreams: [Upstream] = []
    package var redis = Redis()

    package init() {}

    package func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Every member is a finite number, a string or a container of those: this cannot fail.
        guard let data = try? encoder.encode(self) else { return Array("{}".utf8) }
        return Array(data)
    }
}
