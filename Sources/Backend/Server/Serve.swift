internal import CurlClient
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import PostgresClient
internal import ProcessLog
internal import ServiceLifecycle
internal import UnixSignals

/// Why the backend ended, as an exit status of sysexits.h.
package enum BackendExit: Int32, Error {
    case unavailable = 69
    case software = 70
    case configuration = 78
}

/// Serves until SIGTERM or SIGINT, then lets turns that run come to their end.
///
/// - Throws: `.configuration`: a setting is wrong; `.unavailable`: the address could not be listened on; `.software`. What it was is
///   logged.
package func serve(_ settings: BackendSettings) async throws(BackendExit) {
    let logger = Logger(label: "backend") { StandardErrorLog(label: $0, level: .info) }
    let (endpoint, mistakes) = endpoint(settings)
    guard let endpoint, mistakes.isEmpty else {
        for mistake in mistakes { logger.critical("\(mistake)") }
        throw .configuration
    }
    let metrics = BackendMetrics()
    let pool = PostgresPool(
        endpoint: endpoint,
        limits: PoolLimits(size: settings.poolSize, overflow: settings.poolOverflow),
        logger: logger,
        observe: { metrics.queried($0, succeeded: $1) }
    )
    do {
        let gateway = try await GatewayClient(
            url: settings.gatewayURL,
            key: settings.gatewayKey,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let backend = BackendApplication(
            settings: settings,
            pool: pool,
            gateway: gateway,
            metrics: metrics,
            logger: logger
        )
        let server = Application(
            router: backend.makeRouter(),
            configuration: ApplicationConfiguration(address: settings.listen.bindAddress, serverName: "sluice-backend"),
            onServerRunning: { channel in
                logger.notice("listening", metadata: ["address": "\(channel.localAddress.map(\.description) ?? "")"])
            },
            logger: logger
        )
        // The last one stops first: no new requests, then no turns, then nothing that they need.
        var configuration = ServiceGroupConfiguration(
            services: [
                ConnectionsService(pool: pool, gateway: gateway), backend.running,
                ScheduleService(backend: backend, logger: logger), server,
                DrainNotice(readiness: backend.readiness, logger: logger),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = settings.drainTimeout
        try await ServiceGroup(configuration: configuration).run()
    } catch let error as IOError {
        logger.critical(
            "cannot listen; choose another address with --listen",
            metadata: ["address": "\(settings.listen)", "error": "\(error)"]
        )
        throw .unavailable
    } catch {
        logger.critical("the server ended", metadata: ["error": "\(error)"])
        throw .software
    }
}

/// Brings the schema up to date and ends.
///
/// - Throws: `.configuration`, `.unavailable`: Postgres is away; `.software`: a step failed. What it was is logged.
package func migrate(databaseURL: String) async throws(BackendExit) {
    let logger = Logger(label: "backend") { StandardErrorLog(label: $0, level: .info) }
    let endpoint: PostgresEndpoint
    do throws(PostgresError) {
        endpoint = try PostgresEndpoint(url: databaseURL)
    } catch {
        logger.critical("DATABASE_URL: \(error)")
        throw .configuration
    }
    let pool = PostgresPool(endpoint: endpoint, limits: PoolLimits(size: 1, overflow: 0), logger: logger)
    do {
        let applied = try await pool.migrate(Schema.migrations, logger: logger)
        await pool.close()
        logger.notice("the schema is up to date", metadata: ["applied": "\(applied.count)"])
    } catch {
        await pool.close()
        logger.critical("the schema was not changed", metadata: ["error": "\(error)"])
        throw (error as? PostgresError)?.isTransient == true ? .unavailable : .software
    }
}

private func endpoint(_ settings: BackendSettings) -> (PostgresEndpoint?, mistakes: [String]) {
    var mistakes = settings.mistakes()
    guard !settings.databaseURL.isEmpty else { return (nil, mistakes) }
    do throws(PostgresError) {
        return (try PostgresEndpoint(url: settings.databaseURL), mistakes)
    } catch {
        mistakes.append("DATABASE_URL: \(error)")
        return (nil, mistakes)
    }
}

extension ListenAddress {
    fileprivate var bindAddress: BindAddress {
        switch self {
        case .tcp(let host, let port): .hostname(host, port: port)
        case .unix(let path): .unixDomainSocket(path: path)
        }
    }
}
