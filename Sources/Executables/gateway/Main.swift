internal import ArgumentParser
internal import Gateway

/// Parses flags and calls one function.
@main
struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "The quota-aware gateway for LLM APIs.",
        version: GatewayVersion.text,
        subcommands: [Serve.self, Check.self],
        defaultSubcommand: Serve.self
    )
}

struct ConfigurationFile: ParsableArguments {
    @Option(name: .long, help: "The configuration file.")
    var config = "gateway.conf"
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves until SIGTERM or SIGINT, then drains. The default."
    )

    @OptionGroup var file: ConfigurationFile

    @Option(name: .long, help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    func run() async throws {
        throw ExitCode(await GatewayProcess.serve(configuration: file.config, logLevel: logLevel))
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validates the configuration and prints every error with its place. Exit 0 or 78."
    )

    @OptionGroup var file: ConfigurationFile

    func run() throws {
        throw ExitCode(GatewayProcess.check(configuration: file.config))
    }
}
