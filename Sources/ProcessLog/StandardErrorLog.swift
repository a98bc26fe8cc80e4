internal import Foundation
package import Logging
internal import Synchronization

/// Logs to standard error: text on a terminal, else one JSON object a line.
package struct StandardErrorLog: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let asJSON: Bool

    package init(label: String, level: Logger.Level, asJSON: Bool = isatty(2) == 0) {
        self.label = label
        self.logLevel = level
        self.asJSON = asJSON
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let line = asJSON ? json(event) : text(event)
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    private func all(_ event: LogEvent) -> [(String, String)] {
        metadata.merging(event.metadata ?? [:]) { _, new in new }
            .map { ($0.key, "\($0.value)") }
            .sorted { $0.0 < $1.0 }
    }

    private func text(_ event: LogEvent) -> String {
        let pairs = all(event).map { " \($0.0)=\($0.1)" }.joined()
        return "\(Self.timestamp()) \(event.level.rawValue.uppercased()) \(event.message)\(pairs)"
    }

    private func json(_ event: LogEvent) -> String {
        var line =
            "{\"time\":\"\(Self.timestamp())\",\"level\":\"\(event.level.rawValue)\",\"logger\":\(Self.quoted(label))"
        line += ",\"message\":\(Self.quoted("\(event.message)"))"
        for (key, value) in all(event) { line += ",\(Self.quoted(key)):\(Self.quoted(value))" }
        return line + "}"
    }

    private static func timestamp() -> String {
        Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20:
                out += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
