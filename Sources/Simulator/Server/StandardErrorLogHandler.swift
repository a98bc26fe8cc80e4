internal import FoundationEssentials
internal import Glibc
internal import Logging

/// Writes log lines to standard error: text on a terminal, else one JSON object a line.
struct StandardErrorLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    let label: String
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let merged = metadata.merging(event.metadata ?? [:]) { $1 }
        let time = Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        let line: String
        if isTerminal {
            let pairs = merged.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            line = "\(time) \(event.level) \(label): \(event.message)\(pairs)"
        } else {
            var members = merged.mapValues { "\($0)" }
            members["time"] = time
            members["level"] = event.level.rawValue
            members["logger"] = label
            members["message"] = "\(event.message)"
            line = String(decoding: encodedJSON(members), as: UTF8.self)
        }
        // One write a line, so that lines of different threads do not mix.
        FileHandleWriter.standardError(line + "\n")
    }
}

private enum FileHandleWriter {
    static func standardError(_ text: String) {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes.withUnsafeBytes {
                unsafe write(STDERR_FILENO, $0.baseAddress! + start, $0.count - start)
            }
            guard written > 0 else { return }  // nobody is left to tell
            start += written
        }
    }
}
