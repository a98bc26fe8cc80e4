internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import NIOCore

/// Logs to standard error: text on a terminal, else one JSON object a line.
struct StandardErrorLog: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    private let isTerminal = isatty(STDERR_FILENO) == 1

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let metadata = metadata.merging(event.metadata ?? [:]) { $1 }
        let time = Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        var line: String
        if isTerminal {
            let pairs = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            line = "\(time) \(event.level) \(event.message)\(pairs)"
        } else {
            var members = metadata.mapValues { "\($0)" }
            members["time"] = time
            members["level"] = event.level.rawValue
            members["message"] = "\(event.message)"
            line = String(buffer: JSON.encode(members, snakeCase: false))
        }
        line += "\n"
        write(line)
    }

    /// In one call, so that lines of different threads do not mix. Where nobody reads it any more there is nobody to tell.
    private func write(_ line: String) {
        let bytes = Array(line.utf8)
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { bytes in
                unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress?.advanced(by: start), bytes.count - start)
            }
            guard written > 0 else { return }
            start += written
        }
    }
}
