import Foundation
import TestSupport

/// Runs one of the client programs in `Clients/` with the official SDKs, and reads the JSON that it prints last.
enum Python {
    static var interpreter: String {
        let own = Repository.path(".venv/bin/python")
        return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
    }

    static func run<Output: Decodable>(
        _ script: String,
        _ arguments: [String],
        within limit: Duration = .seconds(90),
        as type: Output.Type = Output.self
    ) async throws -> Output {
        let file = Repository.path("Tests/ClusterTests/Clients/\(script).py")
        let result = try await TestSupport.run([interpreter, file] + arguments, within: limit)
        guard result.status == 0 else { throw ClientFailed(script: script, output: result.output) }
        guard let line = result.output.split(separator: "\n").last(where: { $0.hasPrefix("{") || $0.hasPrefix("[") })
        else { throw ClientFailed(script: script, output: result.output) }
        return try JSONDecoder().decode(Output.self, from: Data(line.utf8))
    }
}

struct ClientFailed: Error, CustomStringConvertible {
    let script: String
    let output: String
    var description: String { "\(script).py failed:\n\(output)" }
}
