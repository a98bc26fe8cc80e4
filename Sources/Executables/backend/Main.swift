internal import ArgumentParser
internal import Backend
internal import Foundation

@main
struct Main: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backend",
        abstract: "The chat service behind the gateway: conversations in Postgres, answers by Gemini and Pinecone.",
        discussion: "Every flag is an environment variable too: --gateway-url is GATEWAY_URL. The flag wins.",
        version: "0.1.0",
        subcommands: [Serve.self, Migrate.self],
        defaultSubcommand: Serve.self
    )
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve requests (the default). SIGTERM drains.")

    @OptionGroup var database: DatabaseFlags

    @Option(help: "The gateway, through which Gemini and Pinecone are called. Default: http://127.0.0.1:8080")
    var gatewayURL: String?

    @Option(
        help:
            "This service's client key at the gateway. Better in GATEWAY_KEY: flags are seen by all users of a machine."
    )
    var gatewayKey: String?

    @Option(help: "Same as the gateway's identity_secret. Better in IDENTITY_SECRET.")
    var identitySecret: String?

    @Option(help: "Model that answers. Default: gemini-2.5-flash")
    var chatModel: String?

    @Option(help: "Model that embeds. Default: gemini-embedding-001")
    var embedModel: String?

    @Option(help: "The gateway's route to the Pinecone index. Default: /pinecone")
    var pineconeRoute: String?

    @Option(help: "Connections to Postgres that stay open. Default: 20")
    var poolSize: Int?

    @Option(help: "Further connections under load. Default: 40")
    var poolOverflow: Int?

    @Option(help: "host:port or unix:/path. Default: 127.0.0.1:8081, or 0.0.0.0:$PORT where PORT is set.")
    var listen: String?

    func run() async throws {
        var settings = BackendSettings(
            databaseURL: database.databaseURL ?? Environment.text("DATABASE_URL") ?? "",
            gatewayURL: gatewayURL ?? Environment.text("GATEWAY_URL") ?? "http://127.0.0.1:8080",
            gatewayKey: gatewayKey ?? Environment.text("GATEWAY_KEY") ?? "",
            identitySecret: identitySecret ?? Environment.text("IDENTITY_SECRET") ?? ""
        )
        settings.chatModel = chatModel ?? Environment.text("CHAT_MODEL") ?? settings.chatModel
        settings.embedModel = embedModel ?? Environment.text("EMBED_MODEL") ?? settings.embedModel
        settings.pineconeRoute = pineconeRoute ?? Environment.text("PINECONE_ROUTE") ?? settings.pineconeRoute
        settings.poolSize = try poolSize ?? Environment.number("POOL_SIZE") ?? settings.poolSize
        settings.poolOverflow = try poolOverflow ?? Environment.number("POOL_OVERFLOW") ?? settings.poolOverflow
        if let text = listen ?? Environment.text("LISTEN") ?? Environment.text("PORT").map({ "0.0.0.0:\($0)" }) {
            guard let address = ListenAddress(text) else {
                throw ValidationError("'\(text)' is not an address to listen on: host:port or unix:/path")
            }
            settings.listen = address
        }
        do {
            try await serve(settings)
        } catch {
            throw ExitCode(error.rawValue)
        }
    }
}

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Bring the database's schema up to date, and end.")

    @OptionGroup var database: DatabaseFlags

    func run() async throws {
        guard let url = database.databaseURL ?? Environment.text("DATABASE_URL") else {
            throw ValidationError("DATABASE_URL is not set: postgresql://user:password@host/database")
        }
        do {
            try await migrate(databaseURL: url)
        } catch {
            throw ExitCode(error.rawValue)
        }
    }
}

struct DatabaseFlags: ParsableArguments {
    @Option(
        name: .customLong("database-url"),
        help:
            "libpq's connection string: postgresql://user:password@host/database?sslmode=verify-full. Better in DATABASE_URL."
    )
    var databaseURL: String?
}

enum Environment {
    /// nil: not set, or empty.
    static func text(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    static func number(_ name: String) throws -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text) else { throw ValidationError("\(name) must be a number, not '\(text)'") }
        return number
    }
}
