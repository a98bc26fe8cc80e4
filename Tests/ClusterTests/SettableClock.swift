import Foundation
import TestSupport

/// A wall clock that a test sets, for one server: a library of ours preloaded into it.
final class SettableClock: Sendable {
    private let directory: TemporaryDirectory

    /// Compiles the library with the clang of the Swift toolchain.
    /// - Throws: `ClientFailed` where there is none.
    static func make() async throws -> SettableClock {
        let directory = try TemporaryDirectory()
        let source = Repository.path("Tests/ClusterTests/Clients/clock.c")
        let compile = """
            toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
            exec "$toolchain/clang" -O1 -shared -fPIC -Wall -Werror -o "$1" "$2"
            """
        let result = try await run(["sh", "-c", compile, "sh", directory.path("clock.so"), source])
        guard result.status == 0 else { throw ClientFailed(script: "clock.c", output: result.output) }
        let clock = SettableClock(directory: directory)
        try clock.set(seconds: 0)
        return clock
    }

    private init(directory: TemporaryDirectory) { self.directory = directory }

    /// For the server whose clock it is to be.
    var environment: [String: String] {
        ["LD_PRELOAD": directory.path("clock.so"), "CLOCK_OFFSET_FILE": directory.path("offset")]
    }

    /// Sets the clock so far ahead of the true time; it runs on from there.
    func set(seconds: Int64) throws {
        // In place, never shorter: the server has the file mapped.
        let path = directory.path("offset")
        if !FileManager.default.fileExists(atPath: path) { try Data(count: 8).write(to: URL(filePath: path)) }
        let file = try FileHandle(forWritingTo: URL(filePath: path))
        try file.write(contentsOf: withUnsafeBytes(of: seconds) { Data($0) })
        try file.close()
    }
}
