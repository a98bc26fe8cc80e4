package import Hummingbird
package import Logging
internal import NIOCore
internal import ProcessLog
internal import ServiceLifecycle
internal import UnixSignals

/// Why the simulator ended, as an exit status of sysexits.h.
package enum SimulatorExit: Int32, Error {
    case unavailable = 69
    case software = 70
}

/// Serves until SIGTERM or SIGINT, then lets calls in flight finish.
/// - Throws: `.unavailable`: the address could not be listened on.
package func runSimulator(_ options: SimulatorOptions) async throws(SimulatorExit) {
    let logger = Logger(label: "simulator") { StandardErrorLog(label: $0, level: .notice) }
    let application = simulatorApplication(Simulation(options: options), logger: logger)
    var configuration = ServiceGroupConfiguration(
        services: [application],
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: logger
    )
    configuration.maximumGracefulShutdownDuration = .seconds(60)
    do {
        try await ServiceGroup(configuration: configuration).run()
    } catch let error as IOError {
        logger.critical(
            "cannot listen, choose another address with --listen",
            metadata: ["address": "\(options.address)", "error": "\(error)"]
        )
        throw .unavailable
    } catch {
        logger.critical("the server ended", metadata: ["error": "\(error)"])
        throw .software
    }
}

/// The server as it runs and as tests run it.
package func simulatorApplication(
    _ simulation: Simulation,
    logger: Logger = Logger(label: "simulator", factory: { _ in SwiftLogNoOpLogHandler() })
) -> Application<SimulatorResponder> {
    let address: BindAddress =
        switch simulation.options.address {
        case .tcp(let host, let port): .hostname(host, port: port)
        case .unix(let path): .unixDomainSocket(path: path)
        }
    let connections = simulation.connections
    let now = simulation.now
    return Application(
        responder: SimulatorResponder(simulation),
        server: .http1(
            configuration: .init(additionalChannelHandlers: [ArrivalHandler(connections: connections, now: now)])
        ),
        configuration: ApplicationConfiguration(address: address, serverName: "simulator"),
        onServerRunning: { channel in
            raisePriority()
            logger.notice("listening", metadata: ["address": "\(ListenAddress(bound: channel.localAddress))"])
        },
        logger: logger
    )
}
