#include "report/text.h"

#include <gtest/gtest.h>

#include "reports.h"

namespace merganser::report {
namespace {

TEST(Text, plan_is_one_screen) {
  EXPECT_EQ(plan_text(plan_report(), {}), R"(recipe.yml: ties, prepare dare, finish trim

  input        path         class                size  dtype     hash        delta  cosine
  math         models/math  LlamaForCausalLM  13.5 GB  bfloat16  3f2a91bc  0.01235  0.9999
  base (base)               LlamaForCausalLM  13.5 GB  bfloat16  ffee

  tensors  291 merged, 48 copied (40 integers, 8 kept from vlm)
  read     13.4 GB in 4 readings
  write    6.7 GB in 2 files to merged; 120.0 GB free there
  memory   at most 1.1 GB
  seed     7

  disagreements
  - rope_theta: base has 10000, math has 500000

  notes
  - the head is tied to the embedding
)");
}

void expect_fits(const std::string& text, std::size_t width) {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    EXPECT_LE(end - begin, width) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Text, plan_fits_the_terminal) {
  expect_fits(plan_text(plan_report(), {80, false}), 80);
  expect_fits(plan_text(plan_report(), {100, false}, true), 100);
}

TEST(Text, plan_lists_tensors_when_asked) {
  const std::string text = plan_text(plan_report(), {}, true);
  EXPECT_EQ(
      text.substr(text.find("tensor  ")),
      R"(tensor                             shape       dtype     made by          inputs            parameters
model.layers.0.mlp.up_proj.weight  11008x4096  bfloat16  ties             math, code, base  density 0.2, weight math 1, weight code 0.5, normalize true, scope model
position_ids                       1x512       int64     copy (integers)  base
)");
}

TEST(Text, explain_shows_every_parameter) {
  EXPECT_EQ(explain_text(merged_tensor(), {}), R"(model.layers.0.mlp.up_proj.weight
  shape    11008x4096
  dtype    bfloat16
  role     mlp.up
  layer    0
  made by  ties
  inputs   math, code, base

  parameter  model  value  from
  density           0.2    recipe.yml:9:14
  weight     math   1      default
  weight     code   0.5    recipe.yml:7:26
  normalize         true   default
  scope             model  variant
)");
}

TEST(Text, explain_says_why_a_tensor_is_copied) {
  EXPECT_NE(explain_text(copied_tensor(), {}).find("made by  copy (integers)"), std::string::npos);
}

TEST(Text, closing_line_has_counts_bytes_and_rate) {
  EXPECT_EQ(closing_lines(merge_report(), {}),
            "291 merged, 48 copied (40 integers, 8 kept from vlm); 13.4 GB read, 6.7 GB written in "
            "21.3 s "
            "(0.94 GB/s); peak memory 1.1 GB\n");
  EXPECT_EQ(closing_lines(merge_report(), {.width = 80}),
            "291 merged, 48 copied (40 integers, 8 kept from vlm); 13.4 GB read, 6.7 GB\n"
            "written in 21.3 s (0.94 GB/s); peak memory 1.1 GB\n");
}

TEST(Text, closing_line_of_a_merge_without_copies) {
  MergeReport merge = merge_report();
  merge.copied = 0;
  merge.plan.copied.clear();
  EXPECT_EQ(closing_lines(merge, {}).substr(0, 12), "291 merged; ");
  merge.copied = 40;
  merge.plan.copied = {{"integers", 40}};
  EXPECT_EQ(closing_lines(merge, {}).substr(0, 35), "291 merged, 40 copied (integers); 1");
}

TEST(Text, non_finite_values_are_told) {
  MergeReport merge = merge_report();
  EXPECT_EQ(non_finite_line(merge), "");
  merge.non_finite = 1;
  EXPECT_EQ(non_finite_line(merge),
            "1 value of the inputs is NaN or infinite and went into the result\n");
  merge.non_finite = 12345;
  merge.first_non_finite = "math a.weight[3]";
  EXPECT_EQ(non_finite_line(merge),
            "12,345 values of the inputs are NaN or infinite and went into the result; first in "
            "math a.weight[3]\n");
}

TEST(Text, opening_line) {
  EXPECT_EQ(opening_line(plan_report()),
            "ties of 2 models into merged: 13.4 GB to read, 6.7 GB to write\n");
}

TEST(Text, inspect) {
  EXPECT_EQ(inspect_text(inspect_report(), {}, true), R"(models/math
  class        LlamaForCausalLM
  family       llama
  parameters   1,200
  size         2.4 kB
  dtype        1,000 bfloat16, 200 float32
  layers       2 in model.layers.
  tied         lm_head.weight is model.embed_tokens.weight
  shared       a.weight, b.weight
  tensors      2
  weights in   model.safetensors
  beside them  config.json, tokenizer.json
  note         an index and a single file: the index counts

  role       parameters  share
  embedding         900  0.750
  mlp.up            300  0.250

tensor                             dtype     shape  layer  role
model.embed_tokens.weight          bfloat16  90x10         embedding
model.layers.0.mlp.up_proj.weight  bfloat16  10x30      0  mlp.up
)");
}

TEST(Text, diff_ends_with_the_line_of_all) {
  EXPECT_EQ(diff_text(diff_report(), {}), R"(a  models/a
b  models/b

         elements  |a|  |a-b|  relative   cosine  conflicts  largest
layer 0     1,200   10   1.25     0.125  0.98765     0.2500      0.5
layer 1     1,200   10  equal

mlp.up      1,200   10   1.25     0.125  0.98765     0.2500      0.5

all         1,200   10   1.25     0.125  0.98765     0.2500      0.5

only in b       1: lm_head.weight
)");
}

TEST(Text, methods_come_in_two_lists) {
  MethodDoc step;
  step.name = "trim";
  step.is_step = true;
  step.says = "Keeps the largest.";
  EXPECT_EQ(methods_text({method_doc(), step}, {}), R"(methods
  ties  Trims, elects, adds.

steps (in prepare and finish)
  trim  Keeps the largest.
)");
}

TEST(Text, method_page) {
  EXPECT_EQ(method_text(method_doc(), {}), R"(ties
  Trims, elects, adds.

formula
  t_k = delta_k
  out = base   + m

needs    base required; at least 1 model

parameters
  density  number, 0 to 1; default 1; per model
      share of entries that stay
  scope  tensor | model; default tensor
      within what |t| is ranked

variants
  paper     the authors' program
            density 0.2, scope model

claims   order of the models does not matter

source   arXiv:2306.01708

departs  equal magnitudes stay in order
)");
}

TEST(Text, method_markdown_escapes_bars) {
  EXPECT_EQ(method_markdown(method_doc()),
            R"(<!-- Made by scripts/generate from the method's own description; edit it there. -->
# ties

Trims, elects, adds.

## Formula

```text
t_k = delta_k
out = base   + m
```

## Needs

base required; at least 1 model.

## Parameters

| name | default | values | per model | what it does |
|---|---|---|---|---|
| `density` | `1` | number, 0 to 1 | yes | share of entries that stay |
| `scope` | `tensor` | tensor \| model |  | within what \|t\| is ranked |

## Variants

| name | what it is | defaults it changes |
|---|---|---|
| `paper` | the authors' program | density 0.2, scope model |

## Claims

- order of the models does not matter

## Source

arXiv:2306.01708

## Departures

equal magnitudes stay in order
)");
}

TEST(Text, needs_of_methods_and_steps) {
  MethodDoc slerp = method_doc();
  slerp.base = "optional";
  slerp.least_models = 2;
  slerp.most_models = 2;
  EXPECT_NE(method_text(slerp, {}).find("needs    base optional; exactly 2 models\n"),
            std::string::npos);
}

}  // namespace
}  // namespace merganser::report
