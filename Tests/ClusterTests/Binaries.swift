import Foundation

/// The executables under test: in the folder that `SLUICE_BINARIES` names, else beside this test bundle, where the
/// build put them.
enum Binaries {
    static func path(_ name: String) throws -> String {
        if let folder = ProcessInfo.processInfo.environment["SLUICE_BINARIES"] {
            let path = URL(filePath: folder).appending(path: name).path
            guard FileManager.default.isExecutableFile(atPath: path) else { throw MissingBinary(name: path) }
            return path
        }
        var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<4 {
            let candidate = folder.appending(path: name).path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            folder = folder.deletingLastPathComponent()
        }
        throw MissingBinary(name: name)
    }
}

struct MissingBinary: Error, CustomStringConvertible {
    let name: String
    var description: String { "no executable \(name) beside the tests: build the whole package first" }
}

/// The folder of the repository, from where this file stands.
enum Repository {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ relative: String) -> String { root.appending(path: relative).path }
}
