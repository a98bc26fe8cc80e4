internal import Foundation
internal import Logging
internal import ProcessLog
internal import ServiceLifecycle
internal import UnixSignals

/// The `gateway` binary's two commands. Exit codes are those of sysexits.h.
package enum GatewayProcess {
    private static let ok: Int32 = 0
    /// EX_UNAVAILABLE
    private static let unavailable: Int32 = 69
    /// EX_CONFIG
    private static let badConfiguration: Int32 = 78

    /// Prints every error with its place.
    package static func check(configuration path: String) -> Int32 {
        switch read(path) {
        case .failure(let errors):
            say(errors)
            return badConfiguration
        case .success(let configuration):
            for warning in configuration.warnings { print("\(path): warning: \(warning)") }
            print("\(path): ok")
            return ok
        }
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    package static func serve(configuration path: String, logLevel: String) async -> Int32 {
        guard let level = Logger.Level(rawValue: logLevel) else {
            say(
                "--log-level: \"\(logLevel)\" is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
            )
            return 64
        }
        LoggingSystem.bootstrap { label in StandardErrorLog(label: label, level: level) }
        let configuration: Configuration
        switch read(path) {
        case .failure(let errors):
            say(errors)
            return badConfiguration
        case .success(let read): configuration = read
        }
        if let error = configuration.startupError {
            say("\(path): \(error)")
            return badConfiguration
        }
        let logger = Logger(label: "gateway")
        // A habit of log rotation must not end what serves: there is nothing to reopen.
        signal(SIGHUP, SIG_IGN)
        for warning in configuration.warnings { logger.warning("\(warning)") }
        let gateway = GatewayService(configuration: configuration, logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: gateway, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        do {
            try await group.run()
            return ok
        } catch let error as GatewayStartError {
            say("\(error)")
            return unavailable
        } catch {
            say("\(error)")
            return unavailable
        }
    }

    private enum ReadResult {
        case success(Configuration)
        case failure(String)
    }

    private static func read(_ path: String) -> ReadResult {
        do {
            return .success(try Configuration.read(file: path, environment: ProcessInfo.processInfo.environment))
        } catch {
            return .failure(error.rendered(file: path))
        }
    }

    private static func say(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}
