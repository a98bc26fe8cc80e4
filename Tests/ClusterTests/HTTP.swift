import Foundation
import TestSupport

/// One plain HTTP exchange by the `curl` program: another implementation than the one under test.
enum HTTP {
    struct Answer: Sendable {
        let status: Int
        /// Lower-case names; several of one name are joined by ", ".
        let fields: [String: String]
        let body: String
    }

    static func get(_ url: String, fields: [String] = []) async throws -> Answer {
        try await send("GET", url, fields: fields)
    }

    static func send(
        _ method: String,
        _ url: String,
        fields: [String] = [],
        body: String? = nil,
        within limit: Duration = .seconds(60)
    ) async throws -> Answer {
        var command = ["curl", "-s", "-S", "-i", "--http1.1", "--path-as-is", "-X", method]
        if method == "HEAD" { command = ["curl", "-s", "-S", "-I", "--http1.1", "--path-as-is"] }
        for field in fields { command += ["-H", field] }
        if let body { command += ["-H", "Content-Type: application/json", "--data-binary", body] }
        let result = try await run(command + [url], within: limit)
        guard let answer = parse(result.output) else {
            throw ClientFailed(script: "curl \(url)", output: result.output)
        }
        return answer
    }

    private static func parse(_ output: String) -> Answer? {
        // Swift takes CR LF for one character, so the head is split as bytes.
        var rest = Array(output.utf8)[...]
        while true {
            guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
            let lines = String(decoding: rest[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
            rest = rest[end.upperBound...]
            guard let statusLine = lines.first, statusLine.hasPrefix("HTTP/1.") else { return nil }
            let words = statusLine.split(separator: " ")
            guard words.count > 1, let status = Int(words[1]) else { return nil }
            if status < 200 { continue }
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                let name = line[..<colon].lowercased()
                let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                fields[name] = fields[name].map { $0 + ", " + value } ?? value
            }
            return Answer(status: status, fields: fields, body: String(decoding: rest, as: UTF8.self))
        }
    }
}
