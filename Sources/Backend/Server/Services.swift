internal import Logging
internal import PostgresClient
internal import ServiceLifecycle

/// Closes the ways out once nothing needs them any more.
struct ConnectionsService: Service {
    let pool: PostgresPool
    let gateway: GatewayClient

    func run() async throws {
        try await gracefulShutdown()
        await pool.close()
        await gateway.close()
    }
}

/// Brings the schema up to date, then tidies up once an hour.
struct ScheduleService: Service {
    private static let pause = Duration.seconds(2)

    let backend: BackendApplication
    let logger: Logger

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                try await migrate()
                while true {
                    try await Task.sleep(for: .seconds(3_600))
                    await backend.tidyUp()
                }
            }
        } catch is CancellationError {
            // That is how its work ends.
        }
    }

    /// Waits for Postgres: it may be started after the backend.
    /// - Throws: what no waiting mends.
    private func migrate() async throws {
        while true {
            do {
                return try await backend.migrate()
            } catch let error as PostgresError where error.isTransient {
                logger.warning("waiting for Postgres", metadata: ["error": "\(error)"])
                try await Task.sleep(for: Self.pause)
            }
        }
    }
}

/// Says at once that the process is going: it stops before all others.
struct DrainNotice: Service {
    let readiness: Readiness
    let logger: Logger

    func run() async throws {
        try await gracefulShutdown()
        readiness.set(.draining)
        logger.notice("draining")
    }
}
