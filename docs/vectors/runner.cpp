// Which form of its rule does an optimizer follow? Give it all files of one rule:
// g++ -std=c++17 -DOPTIMIZER='"adam.hpp"' runner.cpp -o runner && ./runner vectors/adam.float*.json
#include <bits/stdc++.h>
struct Vectors { std::string text; size_t at = 0;  // keys stand in a fixed order: they are found without a JSON library
  std::string word(const std::string& key) {
    at = text.find(": \"", text.find("\"" + key + "\":", at)) + 3;
    return text.substr(at, text.find('"', at) - at);
  }
  template <class T> std::vector<T> numbers(const std::string& key) {
    std::vector<T> found;
    at = text.find('[', text.find("\"" + key + "\":", at));
    for (size_t end = text.find(']', at); at != end; at = std::min(text.find(',', at + 1), end)) {
      size_t start = text.find_first_not_of(", ", at + 1);
      if (text[start] != '"') { found.push_back(std::stod(text.substr(start))); continue; }
      T x; uint64_t bits = std::stoull(text.substr(start + 1, 2 * sizeof x), nullptr, 16);
      std::memcpy(&x, &bits, sizeof x); found.push_back(x);
    }
    return found;
  }
  std::vector<double> setting(const std::string& name) { at = 0; return numbers<double>(name); }
};
#include OPTIMIZER  // template <class T> struct Optimizer: Optimizer(Vectors), step(vector<T>& w, g, double rate)
template <class T> std::set<std::string> matched(Vectors v) {
  std::vector<std::vector<T>> seen; std::set<std::string> found;
  Optimizer<T> optimizer(v); auto rates = v.numbers<double>("rates"); auto w = v.numbers<T>("weights");
  v.at = v.text.find("\"gradients\"");
  for (double rate : rates) { optimizer.step(w, v.numbers<T>("bits"), rate); seen.push_back(w); }
  for (v.at = v.text.find("\"forms\""); v.text.find("\"form\":", v.at) != std::string::npos;) {
    std::string form = v.word("form"), result = v.word("result"); bool same = true;
    for (auto& s : seen) {
      auto e = v.numbers<T>("bits"); auto b = v.numbers<double>("bounds");
      for (size_t i = 0; i < s.size(); i++) same &= std::abs(double(s[i]) - double(e[i])) <= b[i];
    }
    if (same) found.insert(form + " (" + result + ")");
  }
  return found;
}
int main(int count, char** files) {
  std::set<std::string> all;
  for (int i = 1; i < count; i++) {
    std::ifstream in(files[i]); Vectors v{{std::istreambuf_iterator<char>(in), {}}};
    auto here = v.word("dtype") == "float32" ? matched<float>(v) : matched<double>(v), before = i == 1 ? here : all;
    all.clear();
    for (auto& form : here) if (before.count(form)) all.insert(form);
  }
  bool right = false;
  for (auto& form : all) { std::cout << form << "\n"; right |= form.find("(invalid)") == std::string::npos; }
  if (all.empty()) std::cout << "no known form does this\n";
  return right ? 0 : 1;
}
