import Logging
import PostgresClient

extension PostgresPool {
    /// A pool that a test can exhaust.
    /// - Parameters:
    ///   - minWait: as in `PoolLimits`; `nil`: as there.
    ///   - probeAfter: the same.
    static func small(
        _ url: String,
        size: Int = 2,
        overflow: Int = 2,
        maxWait: Duration = .seconds(5),
        minWait: Duration? = nil,
        probeAfter: Duration? = nil,
        queryTimeout: Duration = .seconds(10)
    ) throws -> PostgresPool {
        var limits = PoolLimits(size: size, overflow: overflow)
        limits.maxWait = maxWait
        if let minWait { limits.minWait = minWait }
        if let probeAfter { limits.probeAfter = probeAfter }
        return PostgresPool(
            endpoint: try PostgresEndpoint(url: url),
            limits: limits,
            queryTimeout: queryTimeout,
            logger: Logger(label: "test")
        )
    }
}

/// A statement that runs until it is stopped: nobody waits for its end, which is further off than a test's.
enum EndlessStatement {
    static let sql = "SELECT pg_sleep(600)"
    /// How many of them run in a database.
    static let count = """
        SELECT count(*) FROM pg_stat_activity
        WHERE state = 'active' AND datname = current_database() AND query = '\(sql)'
        """
}
