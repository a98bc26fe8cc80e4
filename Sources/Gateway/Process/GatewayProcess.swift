internal import Foundation
internal import Logging
internal import ServiceLifecycle

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
            report(errors)
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
            report(errors)
            return badConfiguration
        case .success(let read): configuration = read
        }
        if let missing = configuration.missingKeys.first {
            say(missing)
            return badConfiguration
        }
        let logger = Logger(label: "gateway")
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
        case failure([String])
    }

    private static func read(_ path: String) -> ReadResult {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            return .failure(["\(path): cannot be read: \(error.localizedDescription)"])
        }
        do {
            return .success(
                try ConfigurationReader.read(text, environment: ProcessInfo.processInfo.environment)
            )
        } catch {
            return .failure(error.errors.map { $0.rendered(file: path) })
        }
    }

    private static func report(_ errors: [String]) {
        for error in errors { say(error) }
    }

    private static func say(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}
