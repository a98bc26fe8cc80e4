internal import ArgumentParser
internal import Foundation
internal import Simulator

@main
struct Main: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulator",
        abstract: "Stands in for the Gemini and Pinecone APIs.",
        discussion: """
            Same paths, JSON, server-sent events and errors as the real services, with quotas that are enforced to the \
            microsecond, latency and faults. Quotas, latency and faults can be changed while it runs: \
            POST /simulator/config takes a JSON object whose members are named like the flags. GET /simulator/log \
            tells every arrival, GET /simulator/stats the largest count in any window.
            """,
        version: "0.1.0"
    )

    @Option(help: "host:port or unix:/path. Default: 127.0.0.1:9000, or 0.0.0.0:$PORT where PORT is set.")
    var listen: String?

    @OptionGroup(title: "Quotas") var quotas: QuotaFlags
    @OptionGroup(title: "Answers") var answers: AnswerFlags
    @OptionGroup(title: "Faults") var faults: FaultFlags
    @OptionGroup(title: "Pinecone") var pinecone: PineconeFlags

    @Option(help: "The only API key that is accepted. Default: any.")
    var key: String?

    @Option(help: "How many arrivals the log keeps.")
    var logCapacity = 100_000

    @Flag(help: "Log the fields of each request, credentials excepted.")
    var logHeaders = false

    func run() async throws {
        var options = SimulatorOptions()
        options.address = try address()
        try quotas.apply(to: &options.settings)
        try answers.apply(to: &options.settings)
        try faults.apply(to: &options.settings)
        try pinecone.apply(to: &options)
        options.settings.key = key
        options.settings.logHeaders = logHeaders
        options.logCapacity = logCapacity
        do {
            try await runSimulator(options)
        } catch {
            throw ExitCode(error.rawValue)
        }
    }

    private func address() throws -> ListenAddress {
        let port = ProcessInfo.processInfo.environment["PORT"]
        let text = listen ?? port.map { "0.0.0.0:\($0)" } ?? "127.0.0.1:9000"
        guard let address = ListenAddress(text) else {
            throw ValidationError("'\(text)' is not an address to listen on: host:port or unix:/path")
        }
        return address
    }
}

extension Settings {
    /// Sets what a flag says under the rules that hold at run time too.
    mutating func set(_ name: String, _ value: JSONValue?) throws {
        guard let value else { return }
        do {
            try apply([name: value])
        } catch {
            throw ValidationError("--\(error.description)")
        }
    }
}
