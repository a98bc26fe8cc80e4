/// One mistake in the configuration, with its place.
package struct ConfigurationError: Error, Sendable, Equatable {
    /// Of the key, such as `upstream[1].quota[0].per`; empty: of the file as a whole.
    package let path: String
    /// Counted from 1; `nil`: not known, as for what is missing altogether.
    package let line: Int?
    /// What is wrong and what would be right. Never a value that may be a secret.
    package let message: String

    package init(path: String, line: Int?, message: String) {
        self.path = path
        self.line = line
        self.message = message
    }

    /// In one line: `gateway.conf:12: upstream[0].quota[1].per: …`.
    package func rendered(file: String) -> String {
        var text = file
        if let line { text += ":\(line)" }
        if !path.isEmpty { text += ": \(path)" }
        return text + ": \(message)"
    }
}

/// All mistakes of a configuration, sorted by place; never empty.
package struct ConfigurationErrors: Error, Sendable, Equatable {
    package let errors: [ConfigurationError]

    package init(_ errors: [ConfigurationError]) {
        self.errors = errors.sorted { ($0.line ?? 0, $0.path, $0.message) < ($1.line ?? 0, $1.path, $1.message) }
    }

    /// A line for each.
    package func rendered(file: String) -> String {
        errors.map { $0.rendered(file: file) }.joined(separator: "\n")
    }
}
