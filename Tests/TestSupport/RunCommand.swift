/// What a command that ran to its end gave.
package struct CommandResult: Sendable {
    package let status: Int32
    /// stdout and stderr as they came.
    package let output: String
}

/// Runs a command to its end.
/// - Parameter command: a path, or a name in PATH, then the arguments.
/// - Throws: `DeadlinePassed` after killing it.
package func run(
    _ command: [String],
    environment: [String: String] = [:],
    workingDirectory: String = ".",
    within limit: Duration = .seconds(60)
) async throws -> CommandResult {
    let process = try ServerProcess(command, environment: environment, workingDirectory: workingDirectory)
    do {
        let status = try await process.waitForExit(within: limit)
        return CommandResult(status: status, output: process.log)
    } catch {
        try await process.kill()
        throw error
    }
}
